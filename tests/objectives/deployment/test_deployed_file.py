"""An exported .tflite file, run by LiteRT, against the network that it holds; and faults that must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from objectives.deployment import network_graph as graph_module
from objectives.deployment.deployed_subnet import DeployedSubnet, deployed
from objectives.deployment.litert import litert_scores
from objectives.deployment.network_graph import NetworkValues, network_graph
from objectives.deployment.step_differences import StepDifference, step_differences
from objectives.hardware.vela_compiler.trained_values import Grid, Trained, TrainedNorm
from search_space.space import load_space
from search_space.subnet import Subnet
from studies.deployment.file_checks import MOST_ABSOLUTE, DeploymentError, check_steps
from supernet import load
from supernet.accuracy.one_subnet import prepare
from supernet.images.evaluation_pack import built_in_pack, load_pack

HEADS = 2


@pytest.fixture(scope="module")
def images() -> Tensor:
    """32 search images, normalised."""
    pack = load_pack(built_in_pack())
    ((batch, _),) = prepare(pack.search[:32], precision="fp32", device=torch.device("cpu")).batches
    return batch


def subnet_with(vit_depth: int) -> Subnet:
    """A network of moderate size with `vit_depth` transformer blocks in its third stage."""
    space = load_space("cifar32")
    chosen: dict[str, object] = {
        "stage2.downsampling": "mbconv",
        "stage2.conv_depth": 1,
        "stage3.vit_depth": vit_depth,
        "stage3.vit1.heads": HEADS,
    }
    genotype = [
        gene.options.index(chosen[gene.name]) if gene.name in chosen else index
        for gene, index in zip(space.genes, space.smallest(), strict=True)
    ]
    return space.decode(space.canonical(tuple(genotype)))


@pytest.fixture(scope="module", params=[0, 2], ids=["cnn", "hybrid"])
def network(request: pytest.FixtureRequest) -> DeployedSubnet:
    pack = load_pack(built_in_pack())
    calibration = prepare(pack.calibration[:64], precision="fp32", device=torch.device("cpu"))
    return deployed(load("cifar32"), subnet_with(request.param), calibration)


def differences(network: DeployedSubnet, values: NetworkValues, images: Tensor) -> list[StepDifference]:
    graph, output = network_graph(network.subnet, values)
    return step_differences(graph, graph.model([output]), network, images[:4])


def test_the_file_computes_the_network(network: DeployedSubnet, images: Tensor) -> None:
    graph, output = network_graph(network.subnet, network)
    content = graph.model([output])
    found = litert_scores(content, network.stored_image(images).numpy())
    expected = network.logits(images).double().numpy()
    step = network.layer("head.classifier").output.scale
    assert np.abs(found - expected).mean() < 2 * step
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.9
    steps = step_differences(graph, content, network, images[:4])
    check_steps(steps)
    names = {difference.step for difference in steps}
    assert {"stem", "head.conv", "head.classifier"} <= names
    if any(stage.vit_blocks for stage in network.subnet.stages):
        assert {"stage3.vit1.norm1", "stage3.vit1.scores", "stage3.vit1.attend", "stage3.vit1.fc1"} <= names


class Faulty:
    """The values of a network with a fault."""

    def __init__(
        self,
        network: DeployedSubnet,
        layer: Callable[[str, Trained], Trained] = lambda _, values: values,
    ) -> None:
        self._network = network
        self._layer = layer

    def image(self) -> Grid:
        return self._network.image()

    def layer(self, step: str) -> Trained:
        return self._layer(step, self._network.layer(step))

    def output(self, step: str) -> Trained:
        return self._network.output(step)

    def positions(self, step: str) -> Trained:
        return self._network.positions(step)

    def norm(self, step: str) -> TrainedNorm:
        return self._network.norm(step)


def scales_swapped(step: str, values: Trained) -> Trained:
    if step != "stage2.downsampling.depthwise":
        return values
    assert values.steps is not None
    steps = values.steps.copy()
    first, last = steps.argmin(), steps.argmax()
    steps[first], steps[last] = steps[last], steps[first]
    return replace(values, steps=steps)


def zero_point_off(step: str, values: Trained) -> Trained:
    if step != "head.conv":
        return values
    return replace(values, output=replace(values.output, zero_point=values.output.zero_point + 1))


def heads_exchanged(step: str, values: Trained) -> Trained:
    """The queries of the first two heads in each other's place."""
    if step != "stage3.vit1.qkv":
        return values
    assert values.weight is not None
    assert values.bias is not None
    assert values.steps is not None
    order = np.arange(len(values.bias)).reshape(3, HEADS, -1)
    order[0, [0, 1]] = order[0, [1, 0]]
    rows = order.ravel()
    return replace(values, weight=values.weight[rows], bias=values.bias[rows], steps=values.steps[rows])


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (scales_swapped, "stage2.downsampling.depthwise"),
        (zero_point_off, "head.conv"),
        (heads_exchanged, "stage3.vit1.qkv"),
    ],
)
def test_a_fault_in_the_values_is_found_where_it_is(
    network: DeployedSubnet, images: Tensor, fault: Callable[[str, Trained], Trained], step: str
) -> None:
    has_heads = any(stage.vit_blocks for stage in network.subnet.stages)
    if fault is heads_exchanged and not has_heads:
        pytest.skip("a CNN has no heads")
    with pytest.raises(DeploymentError, match=f"first in {step}"):
        check_steps(differences(network, Faulty(network, fault), images))


def test_the_file_formats_own_padding_is_found(
    network: DeployedSubnet, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_module, "_padded", lambda _graph, x, _kernel, _stride: (x, False))
    found = differences(network, network, images)
    assert max(difference.absolute for difference in found) > MOST_ABSOLUTE
    with pytest.raises(DeploymentError, match=r"first in stage2\.downsampling\.depthwise"):
        check_steps([one for one in found if one.step == "stage2.downsampling.depthwise"])
