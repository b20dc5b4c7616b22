"""TensorFlow Lite files for the tests, written by the project's own writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from objectives.hardware.vela_compiler.tflite import Graph, Node

Layer = Callable[[Graph, Node], Node]

VARIABLE = "H4H_TEST_DATA"
"""Environment variable with the folder of networks that are not in the repository."""
MLPERF_TINY = ("resnet8_int8.tflite", "kws_dscnn_int8.tflite")


def write(path: Path, layer: Layer, *, height: int = 16, width: int = 12, channels: int = 32) -> Path:
    """A network of `layer` between two 1x1 convolutions."""
    graph = Graph()
    x = graph.conv2d(graph.input(1, height, width, 16), channels)
    x = layer(graph, x)
    last = graph.conv2d(x, 16) if len(x.shape) == 4 else graph.linear(x, 16)
    path.write_bytes(graph.model([last]))
    return path


def mlperf_tiny(name: str) -> Path:
    """A network of MLPerf Tiny; the test is skipped where it is missing."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} does not name the folder of the networks of MLPerf Tiny")
    path = Path(folder) / "mlperf-tiny" / name
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    return path


LAYERS: dict[str, Layer] = {
    "window 5x3": lambda graph, x: graph.conv2d(x, 24, kernel=(5, 3)),
    "window 1x7 without padding": lambda graph, x: graph.conv2d(x, 24, kernel=(1, 7), valid=True),
    "depthwise 9x1": lambda graph, x: graph.depthwise(x, kernel=(9, 1), valid=True),
    "multiplier": lambda graph, x: graph.depthwise(x, kernel=3, stride=2, multiplier=3),
    "product": lambda graph, x: graph.mul(x, graph.conv2d(x, 32)),
    "mean": lambda graph, x: graph.mean(x),
    "maximum": lambda graph, x: graph.pool(x, kernel=3, stride=2, maximum=True, valid=True),
    "nearest": lambda graph, x: graph.resize(x, 32, 24),
    "nearest by 4": lambda graph, x: graph.resize(x, 64, 48),
    "bilinear": lambda graph, x: graph.resize(x, 32, 24, bilinear=True),
    "bilinear by 4": lambda graph, x: graph.resize(x, 64, 48, bilinear=True, half_pixel=False),
    "in place": lambda graph, x: graph.concatenate([graph.conv2d(x, 16), graph.depthwise(x, kernel=3)]),
    "copied": lambda graph, x: graph.concatenate([x, graph.conv2d(x, 16)]),
    "bilinear part": lambda graph, x: graph.concatenate(
        [graph.resize(x, 32, 24, bilinear=True), graph.resize(graph.conv2d(x, 16), 32, 24)]
    ),
    "padded window": lambda graph, x: graph.conv2d(
        graph.pad(x, 0, 1, 0, 1), 24, kernel=3, stride=2, valid=True
    ),
    "padding": lambda graph, x: graph.pool(
        graph.pad(x, 1, 1, 1, 1), kernel=3, stride=2, maximum=True, valid=True
    ),
    "residual": lambda graph, x: graph.add(x, graph.conv2d(x, 32)),
    "groups": lambda graph, x: graph.conv2d(x, 64, kernel=3, groups=2),
    "dilated by 2": lambda graph, x: graph.conv2d(x, 24, kernel=3, dilation=2),
    "dilated by 3": lambda graph, x: graph.depthwise(x, kernel=3, dilation=(3, 1)),
    "dilated by 6": lambda graph, x: graph.conv2d(x, 24, kernel=3, dilation=6),
    "unequal strides": lambda graph, x: graph.conv2d(x, 24, kernel=3, stride=(1, 2)),
}
"""One layer of each kind that files have and the searched networks do not."""
