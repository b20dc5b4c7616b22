"""Networks with the layers that files have and the searched networks do not, as TensorFlow Lite files.

Six kinds, each with random sizes: a residual network with maxima and a mean, a mobile network with padding
before windows without, one with squeeze and excitation, a segmentation network with resizing and
concatenation, a network for sound with windows that are not square, and one with groups of channels, dilated
windows and unequal strides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from objectives.hardware.vela_compiler.tflite import Graph, Node

CLASSES = 10


def write_networks(folder: Path, count: int, seed: int) -> Iterator[Path]:
    """Writes `count` networks of each kind.

    Args:
        folder: An existing folder.
        count: Number of networks of each kind.
        seed: Random seed of the sizes.
    """
    rng = np.random.default_rng(seed)
    for name, build in KINDS.items():
        for number in range(count):
            graph = Graph()
            path = folder / f"{name}-{number}.tflite"
            path.write_bytes(graph.model([build(graph, rng)]))
            yield path


def _one(rng: np.random.Generator, *values: int) -> int:
    return values[int(rng.integers(len(values)))]


def _classified(graph: Graph, x: Node) -> Node:
    return graph.softmax(graph.linear(graph.mean(x), CLASSES))


def _residual(graph: Graph, rng: np.random.Generator) -> Node:
    side, width = _one(rng, 32, 48, 64, 96), _one(rng, 16, 24, 32)
    x = graph.conv2d(graph.input(1, side, side, 3), width, kernel=_one(rng, 3, 5, 7), stride=2)
    x = graph.pool(x, kernel=_one(rng, 2, 3), stride=2, maximum=True)
    for _ in range(3):
        inner = graph.conv2d(graph.conv2d(x, width, kernel=3, relu6=True), width, kernel=3)
        x = graph.add(x, inner)
        width *= 2
        x = graph.conv2d(x, width, kernel=3, stride=2, relu6=True)
    return _classified(graph, x)


def _mobile(graph: Graph, rng: np.random.Generator) -> Node:
    side, width = _one(rng, 64, 96, 128), _one(rng, 8, 16, 24)
    x = graph.pad(graph.input(1, side, side, 3), 0, 1, 0, 1)
    x = graph.conv2d(x, width, kernel=3, stride=2, relu6=True, valid=True)
    for stride in (2, 1, 2, 1, 2):
        hidden = graph.conv2d(x, width * _one(rng, 3, 4, 6), relu6=True)
        if stride == 2:
            hidden = graph.depthwise(
                graph.pad(hidden, 0, 1, 0, 1), kernel=3, stride=2, relu6=True, valid=True
            )
            width = 2 * width
            x = graph.conv2d(hidden, width)
        else:
            hidden = graph.depthwise(hidden, kernel=_one(rng, 3, 5), relu6=True)
            x = graph.add(x, graph.conv2d(hidden, width))
    return _classified(graph, x)


def _excited(graph: Graph, rng: np.random.Generator) -> Node:
    side, width = _one(rng, 32, 48, 64), _one(rng, 16, 24, 40)
    x = graph.conv2d(graph.input(1, side, side, 3), width, kernel=3, stride=2, relu6=True)
    for _ in range(3):
        hidden = graph.conv2d(x, 4 * width, relu6=True)
        hidden = graph.depthwise(hidden, kernel=_one(rng, 3, 5), relu6=True)
        channels = hidden.shape[3]
        scale = graph.linear(graph.linear(graph.mean(hidden), max(channels // 4, 8)), channels)
        hidden = graph.mul(hidden, graph.reshape(scale, 1, 1, 1, channels))
        x = graph.add(x, graph.conv2d(hidden, width))
    return _classified(graph, x)


def _segmentation(graph: Graph, rng: np.random.Generator) -> Node:
    side, width = _one(rng, 32, 48, 64), _one(rng, 8, 16)
    x = graph.conv2d(graph.input(1, side, side, 3), width, kernel=3, relu6=True)
    levels = []
    for _ in range(2):
        levels.append(x)
        width *= 2
        x = graph.pool(x, kernel=2, stride=2, maximum=True)
        x = graph.conv2d(x, width, kernel=3, relu6=True)
    bilinear = bool(rng.integers(2))
    for level in reversed(levels):
        x = graph.resize(x, 2 * x.shape[1], 2 * x.shape[2], bilinear=bilinear)
        width //= 2
        x = graph.conv2d(graph.concatenate([x, level]), width, kernel=3, relu6=True)
    return graph.conv2d(x, CLASSES)


def _sound(graph: Graph, rng: np.random.Generator) -> Node:
    frames, bands, width = _one(rng, 49, 61, 98), _one(rng, 10, 20, 40), _one(rng, 32, 48, 64)
    x = graph.input(1, frames, bands, 1)
    if rng.integers(2):
        x = graph.conv2d(x, width, kernel=(10, 4), stride=2, relu6=True)
    else:
        x = graph.depthwise(x, kernel=(9, 5), stride=2, multiplier=width, relu6=True)
    for high, wide in ((3, 3), (5, 1), (1, 3)):
        x = graph.conv2d(graph.depthwise(x, kernel=(high, wide), valid=True, relu6=True), width, relu6=True)
    x = graph.pool(x, kernel=(x.shape[1], x.shape[2]), stride=1, valid=True)
    return graph.softmax(graph.linear(graph.reshape(x, 1, width), CLASSES))


def _grouped(graph: Graph, rng: np.random.Generator) -> Node:
    frames, bands, width = _one(rng, 48, 64, 98), _one(rng, 16, 32, 40), _one(rng, 32, 48, 64)
    x = graph.conv2d(graph.input(1, frames, bands, 1), width, kernel=(8, 4), stride=(2, 1), relu6=True)
    for dilation in (1, 2, _one(rng, 3, 4)):
        inner = graph.conv2d(x, 2 * width, relu6=True)
        inner = graph.conv2d(
            inner, 2 * width, kernel=3, groups=_one(rng, 2, 4), dilation=dilation, relu6=True
        )
        x = graph.add(x, graph.conv2d(inner, width))
    x = graph.depthwise(x, kernel=3, stride=(1, 2), dilation=1, relu6=True)
    x = graph.depthwise(graph.conv2d(x, 2 * width, relu6=True), kernel=3, dilation=2, relu6=True)
    return _classified(graph, graph.conv2d(x, width))


KINDS: dict[str, Callable[[Graph, np.random.Generator], Node]] = {
    "residual": _residual,
    "mobile": _mobile,
    "excited": _excited,
    "segmentation": _segmentation,
    "sound": _sound,
    "grouped": _grouped,
}
"""Kinds of networks."""
