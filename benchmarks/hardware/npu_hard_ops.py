"""Ops on which earlier forms of the NPU model erred most, as sets of random shapes.

Cost model 5 erred by 12 to 38 % on each of them: 1x1 convolutions with stride 2, layers bound by the SRAM,
linear layers of one row, the softmax of a classifier, depthwise convolutions with stride 2, and the first
layer of an image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.hardware.npu_shapes import CHANNELS, SIDES
from objectives.hardware import Op

COUNT = 12
"""Ops of a set, before equal ones are left out."""
SEED = 7


def hard_ops() -> dict[str, list[Op]]:
    """Different ops by the name of their set; the same at each call."""
    rng = np.random.default_rng(SEED)
    return {name: list(dict.fromkeys(make(rng) for _ in range(COUNT))) for name, make in _MAKERS.items()}


def _one(rng: np.random.Generator, values: tuple[int, ...]) -> int:
    return values[int(rng.integers(len(values)))]


def _pointwise(rng: np.random.Generator) -> Op:
    side = _one(rng, SIDES)
    return Op("conv2d", side, side, _one(rng, CHANNELS), _one(rng, CHANNELS), 1, 2)


def _thin(rng: np.random.Generator) -> Op:
    side = _one(rng, (24, 32, 48, 56, 80, 96))
    return Op("conv2d", side, side, _one(rng, (8, 16, 24, 32)), _one(rng, (8, 16, 24, 32)))


def _row(rng: np.random.Generator) -> Op:
    return Op("linear", 1, 1, _one(rng, (64, 128, 256, 512, 1280)), _one(rng, (2, 10, 100, 1000)))


def _classifier(rng: np.random.Generator) -> Op:
    classes = _one(rng, (2, 5, 10, 12, 16, 20, 35, 64, 100, 256, 1000))
    return Op("softmax", 1, 1, classes, classes)


def _depthwise(rng: np.random.Generator) -> Op:
    side, channels = _one(rng, SIDES), _one(rng, CHANNELS)
    return Op("depthwise", side, side, channels, channels, _one(rng, (3, 5, 7)), 2)


def _stem(rng: np.random.Generator) -> Op:
    side = _one(rng, (24, 28, 32, 48, 64, 96, 128, 160, 192, 224))
    return Op("conv2d", side, side, 3, _one(rng, (8, 16, 24, 32)), 3, _one(rng, (1, 2)))


_MAKERS: dict[str, Callable[[np.random.Generator], Op]] = {
    "1x1 convolutions, stride 2": _pointwise,
    "thin 1x1 convolutions": _thin,
    "linear layers of one row": _row,
    "softmax of a classifier": _classifier,
    "depthwise, stride 2": _depthwise,
    "first layer of an image": _stem,
}
