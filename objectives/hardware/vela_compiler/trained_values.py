"""Values of a trained network as its layers take them in a TensorFlow Lite file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from objectives.hardware.vela_compiler.tflite_file import Int8Array, Int32Array
from search_space.arrays import Floats


@dataclass(frozen=True)
class Grid:
    """Quantisation of an int8 tensor: real values are `scale` times (stored value - `zero_point`)."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Trained:
    """Values of a layer of a trained network.

    Attributes:
        output: Grid of its output.
        weight: Stored weights in the order of the file: (co, h, w, c) of a convolution, (1, h, w, c) of a
            depthwise one, (co, c) of a linear layer, or the shape of a constant.
        bias: Stored bias (co,), in `steps`.
        steps: Real value of 1 in the sums of each output channel, (co,): scale of the input times that of the
            weights.
    """

    output: Grid
    weight: Int8Array | None = None
    bias: Int32Array | None = None
    steps: Floats | None = None


@dataclass(frozen=True)
class TrainedNorm:
    """Values of a layer norm of a trained network.

    Attributes:
        grids: Grid of each intermediate tensor: mean, square (of the difference from the mean), variance,
            inverse (of the deviation), centred, scaled, gained, output.
        epsilon: Constant added to the variance, of one element.
        gain: Gain of each channel.
        offset: Offset of each channel.
    """

    grids: Mapping[str, Grid]
    epsilon: Trained
    gain: Trained
    offset: Trained
