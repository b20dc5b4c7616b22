"""Ops of the operators of a file, who reads their maps, and what each map takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware import Op
from objectives.hardware.vela_compiler.tflite import Graph
from objectives.tflite_network.network import TfliteNetwork, read_network
from tests.objectives.tflite_network.files import LAYERS, write


def middle(name: str, tmp_path: Path) -> list[Op]:
    """Ops of the layer called `name`, without the convolutions around it."""
    return list(read_network(write(tmp_path / "x.tflite", LAYERS[name])).ops[1:-1])


CONV = Op("conv2d", 16, 12, 32, 32)
EXPECTED: dict[str, list[Op]] = {
    "window 5x3": [Op("conv2d", 16, 12, 32, 24, 5, kernel_width=3)],
    "window 1x7 without padding": [Op("conv2d", 16, 12, 32, 24, kernel_width=7, out_height=16, out_width=6)],
    "depthwise 9x1": [Op("depthwise", 16, 12, 32, 32, 9, kernel_width=1, out_height=8, out_width=12)],
    "multiplier": [Op("depth_multiplier", 16, 12, 32, 96, 3, 2)],
    "product": [CONV, Op("mul", 16, 12, 32, 32)],
    "mean": [Op("mean", 16, 12, 32, 32)],
    "maximum": [Op("max_pool", 16, 12, 32, 32, 3, 2, out_height=7, out_width=5)],
    "nearest": [Op("resize", 16, 12, 32, 32, out_height=32, out_width=24)],
    "nearest by 4": [Op("resize", 16, 12, 32, 32, out_height=64, out_width=48)],
    "bilinear": [Op("bilinear", 16, 12, 32, 32, out_height=32, out_width=24)],
    "bilinear by 4": [Op("resize", 16, 12, 32, 32, 4, out_height=64, out_width=48)],
    "in place": [Op("conv2d", 16, 12, 32, 16), Op("depthwise", 16, 12, 32, 32, 3)],
    "copied": [Op("conv2d", 16, 12, 32, 16), Op("copy", 16, 12, 32, 32)],
    "bilinear part": [
        Op("bilinear", 16, 12, 32, 48, out_height=32, out_width=24),
        Op("conv2d", 16, 12, 32, 16),
        Op("resize", 16, 12, 16, 16, out_height=32, out_width=24),
    ],
    "padded window": [Op("conv2d", 16, 12, 32, 24, 3, 2)],
    "padding": [
        Op("pad", 16, 12, 32, 32, out_height=18, out_width=14),
        Op("max_pool", 18, 14, 32, 32, 3, 2, out_height=8, out_width=6),
    ],
    "residual": [CONV, Op("add", 16, 12, 32, 32)],
    "groups": [Op("conv2d", 16, 12, 16, 32, 3)] * 2,
    # The NPU skips every second position; 3 and 6 are 1 and 2 positions with zeros between the weights.
    "dilated by 2": [Op("conv2d", 16, 12, 32, 24, 3)],
    "dilated by 3": [Op("depthwise", 16, 12, 32, 32, 7, kernel_width=3)],
    "dilated by 6": [Op("conv2d", 16, 12, 32, 24, 7)],
    "unequal strides": [Op("conv2d", 16, 12, 32, 24, 3, out_height=16, out_width=6)],
}


@pytest.mark.parametrize("name", LAYERS)
def test_ops_of_every_layer(name: str, tmp_path: Path) -> None:
    assert middle(name, tmp_path) == EXPECTED[name]


def test_a_multiplier_of_one_channel_is_a_convolution(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.depthwise(graph.input(1, 20, 10, 1), kernel=3, multiplier=8)
    path = tmp_path / "x.tflite"
    path.write_bytes(graph.model([x]))
    assert read_network(path).ops == (Op("conv2d", 20, 10, 1, 8, 3),)


def residual(tmp_path: Path) -> TfliteNetwork:
    """conv -> conv -> conv -> sum with the first; -> linear of the reshaped sum."""
    graph = Graph()
    first = graph.conv2d(graph.input(1, 4, 4, 16), 32)
    x = graph.add(first, graph.conv2d(graph.conv2d(first, 48), 32))
    x = graph.linear(graph.reshape(x, 1, 512), 10)
    path = tmp_path / "residual.tflite"
    path.write_bytes(graph.model([x]))
    return read_network(path)


def test_maps_that_live_on_are_held(tmp_path: Path) -> None:
    network = residual(tmp_path)
    assert [step.op.kind for step in network.steps] == ["conv2d", "conv2d", "conv2d", "add", "linear"]
    # The first map, 4 x 4 x 32 bytes, waits while the third convolution runs, and nothing else does.
    assert [step.held_bytes for step in network.steps] == [0, 0, 512, 0, 0]
    assert [step.is_read_again for step in network.steps] == [True, False, False, False, True]
    assert network.operators == (0, 1, 2, 3, 5)


def test_parameters_are_weights_and_biases(tmp_path: Path) -> None:
    weights = 16 * 32 + 32 * 48 + 48 * 32 + 512 * 10
    assert residual(tmp_path).parameters == weights + 32 + 48 + 32 + 10


def test_room_of_a_concatenation_is_taken_from_its_first_part_on(tmp_path: Path) -> None:
    network = read_network(write(tmp_path / "x.tflite", LAYERS["in place"], height=4, width=4))
    steps = network.steps
    # While the first part is written (256 of 768 bytes), the room of the second is taken as well.
    assert steps[1].held_bytes == 4 * 4 * 32
    assert steps[1].live_bytes == 4 * 4 * (32 + 16) + 4 * 4 * 32


def test_maps_of_the_other_groups_are_held(tmp_path: Path) -> None:
    network = read_network(write(tmp_path / "x.tflite", LAYERS["groups"], height=4, width=4))
    first, second = network.steps[1:3]
    assert first.is_read_again
    assert first.held_bytes == second.held_bytes == 4 * 4 * (16 + 32)
    assert first.live_bytes == 4 * 4 * (32 + 64)


def test_groups_with_an_activation_function_take_a_pass_more(tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.conv2d(x, 64, groups=2, relu6=True))
    part = Op("conv2d", 16, 12, 16, 32)
    assert read_network(path).ops[1:-1] == (part, part, Op("copy", 16, 12, 64, 64))


@pytest.mark.parametrize(
    ("groups", "reason"),
    [(16, "it has groups of 2 channels, and must have more than 4"), (8, "it has groups of 4 channels")],
)
def test_groups_of_few_channels_are_named(groups: int, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.conv2d(x, 32, kernel=3, groups=groups))
    (missing,) = read_network(path).missing
    assert missing.reason.startswith(reason)
