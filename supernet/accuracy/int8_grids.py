"""Quantisation grids of a deployed network: scales and ranges of 8-bit integers.

The scheme is TensorFlow Lite's for 8 bits (Jacob et al., CVPR 2018), which Arm's Ethos-U55 runs:

| tensor | scale | zero point | source of the range |
|---|---|---|---|
| weights | of each output channel | 0 | largest magnitude, -127 to 127 |
| activations | of each tensor | any, so that 0 is on the grid | smallest and largest value observed |
| biases | that of the sums: input's times weights' | 0 | 32 bits |

Integers are stored as float32, activations minus their zero point. A product of 8 by 9 bits and a sum of up
to 518 such products (255 * 127 * 518 < 2^24) are then exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

VERSION = "1"
"""Version of the int8 arithmetic; it changes whenever accuracies in int8 may change."""
BITS = 8
_LEAST_SCALE = float(np.finfo(np.float32).tiny)
_MOST_BIAS = 2.0**30
"""Steps of a bias: half the range of 32 bits, so that the sum with it fits."""


@dataclass(frozen=True)
class Grid:
    """Values of a stored activation: `scale` times a whole number from `low` to `high`.

    Attributes:
        scale: Size of a step; NaN if the observed values were not finite.
        low: Smallest integer less the zero point, at most 0.
        high: Largest, at least 0.
    """

    scale: float
    low: int
    high: int


def activation_grid(least: float, most: float, *, bits: int = BITS) -> Grid:
    """The grid for values from `least` to `most`; it holds 0 exactly, since padding is 0.

    Where all values are 0, or too small to divide by in float32, steps are 1.
    """
    levels = 2**bits - 1
    low, high = min(least, 0.0), max(most, 0.0)
    # A file holds scales in single precision.
    with np.errstate(over="ignore", under="ignore"):
        scale = float(np.float32((high - low) / levels))
    if scale < _LEAST_SCALE:
        scale = 1.0
    if not np.isfinite(low) or not np.isfinite(high) or not np.isfinite(scale):
        return Grid(float("nan"), -levels, levels)
    below = min(levels, round(-low / scale))
    return Grid(scale, -below, levels - below)


def stored(values: Tensor, step: Tensor | float, grid: Grid, *, clamp: tuple[float, float] | None) -> Tensor:
    """`values` times `step`, in whole steps of `grid`; overwrites `values`. Ties go to the even number.

    Args:
        values: Any shape.
        step: Real value of 1 in `values`; broadcasts.
        grid: Grid of the stored tensor.
        clamp: Smallest and largest stored value, as of an activation function.
    """
    low, high = float(grid.low), float(grid.high)
    if clamp is not None:
        low, high = max(low, clamp[0] / grid.scale), min(high, clamp[1] / grid.scale)
    factor = step / grid.scale
    values.mul_(factor.float() if isinstance(factor, Tensor) else factor)
    return values.clamp_(low, high).round_()


class Weights(NamedTuple):
    """Weights of a layer in whole steps.

    Attributes:
        weight: ``(c, ...)``, whole numbers.
        bias: ``(c,)``, whole steps of the sums.
        step: Real value of 1 in the sums of each output channel, ``(c,)``, float64.
    """

    weight: Tensor
    bias: Tensor
    step: Tensor


def quantised_weights(weight: Tensor, bias: Tensor, scale: float, *, bits: int = BITS) -> Weights:
    """Weights and bias of a layer whose inputs have that `scale`.

    The scale of a channel is its largest magnitude over 127, or more if its bias would not fit otherwise. A
    channel whose weights and bias are all 0 has scale 1.

    Args:
        weight: ``(c, ...)``, float32, output channels first.
        bias: ``(c,)``.
        scale: Scale of the input.
        bits: Bits per weight.
    """
    most = 2 ** (bits - 1) - 1
    by_weight = weight.flatten(1).abs().amax(1) / most
    by_bias = bias.abs() / (scale * _MOST_BIAS)
    scales = torch.maximum(by_weight, by_bias)
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    whole = (weight / scales.view(-1, *[1] * (weight.ndim - 1))).round_().clamp_(-most, most)
    step = scales.double() * scale
    return Weights(whole, (bias / step).round().float(), step)
