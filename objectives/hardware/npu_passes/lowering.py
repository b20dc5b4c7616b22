"""Passes of an op inside a network: what the compiler makes of each kind.

Formats are those inside a network: maps of convolutions lie in bricks of 16 channels, those of tokens pixel
by pixel, and so does the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, sqrt

from objectives.hardware.npu_passes.attention import ONE, product_passes, softmax_passes
from objectives.hardware.npu_passes.layer_norm import norm_passes
from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass
from objectives.hardware.npu_passes.machine import ADD, MULTIPLY, WIDE_BINARY
from objectives.hardware.op import Op

IMAGE_CHANNELS = 4
"""A convolution of up to this many channels reads the image."""
_LARGEST_WINDOW = 64 * 64
"""Elements of the largest window of a sum over rows and columns."""


def passes_of(op: Op) -> tuple[Pass, ...]:
    """The passes of `op`, in order."""
    return _LOWERINGS[op.kind](op)


@lru_cache(maxsize=1 << 12)
def token_map(tokens: int) -> tuple[int, int]:
    """Rows and columns of the map as which a linear layer processes its tokens: nearly square."""
    columns = max(tokens // 16, ceil(sqrt(tokens)))
    columns = next(side for side in range(columns, tokens + 1) if tokens % side == 0)
    return tokens // columns, columns


def _convolution(op: Op) -> tuple[Pass, ...]:
    source = Map((op.height, op.width, op.in_channels), bricks=op.in_channels > IMAGE_CHANNELS)
    target = Map((*op.out_size, op.out_channels))
    return (Pass(Engine.CONVOLUTION, source, target, window=op.window, stride=op.stride),)


def _depthwise(op: Op) -> tuple[Pass, ...]:
    source = Map((op.height, op.width, op.in_channels))
    target = Map((*op.out_size, op.out_channels))
    return (Pass(Engine.DEPTHWISE, source, target, window=op.window, stride=op.stride),)


def _pool(op: Op) -> tuple[Pass, ...]:
    source = Map((op.height, op.width, op.in_channels))
    target = Map((*op.out_size, op.out_channels))
    stride = op.stride if op.out_size != (1, 1) else 1
    return (Pass(Engine.POOLING, source, target, window=op.window, stride=stride),)


def _mean(op: Op) -> tuple[Pass, ...]:
    """Sums in 32 bits of as many rows as a window takes, their sum, and its scaling."""
    rows = min(op.height, max(_LARGEST_WINDOW // op.width, 1))
    total = Map((1, 1, op.out_channels), 32)
    sums = []
    for start in range(0, op.height, rows):
        height = min(rows, op.height - start)
        source = Map((height, op.width, op.out_channels))
        sums.append(Pass(Engine.DEPTHWISE, source, total, window=(height, op.width)))
    joined = [Pass(Engine.ELEMENTWISE, total, total, total, output=WIDE_BINARY)] * (len(sums) - 1)
    scaled = Pass(Engine.ELEMENTWISE, total, total._replace(bits=8), ONE, output=WIDE_BINARY)
    return (*sums, *joined, scaled)


def _resize(op: Op) -> tuple[Pass, ...]:
    """Doubling by repetition, again and again; the last pass takes the mean."""
    height, width, channels = op.height, op.width, op.out_channels
    passes = []
    while height < op.out_size[0] or width < op.out_size[1]:
        source = Map((height, width, channels))
        height, width = 2 * height, 2 * width
        passes.append(Pass(Engine.POOLING, source, Map((height, width, channels)), upscaling=2))
    return (*passes[:-1], *(each._replace(window=op.window) for each in passes[-1:]))


def _bilinear(op: Op) -> tuple[Pass, ...]:
    """Edges are repeated, then four weighted means each make every second row and column of the result.

    The compiler counts all channels of the map that the result is a part of.
    """
    height, width, channels = op.height, op.width, op.in_channels
    row, column = Map((1, width, channels)), Map((height + 2, 1, channels), bricks=False)
    source = Map((height + 1, width + 1, channels), bricks=False)
    target = Map((2 * height - 1, 2 * width - 1, op.out_channels), bricks=False)
    inner = Map((height, width, channels))
    return (
        Pass(Engine.POOLING, inner, inner._replace(bricks=False)),
        *[Pass(Engine.POOLING, row, row._replace(bricks=False))] * 2,
        *[Pass(Engine.POOLING, column, column)] * 2,
        *[Pass(Engine.DEPTHWISE, source, target, window=(2, 2))] * 4,
    )


def _copy(op: Op) -> tuple[Pass, ...]:
    data = Map((op.height, op.width, op.out_channels))
    return (Pass(Engine.POOLING, data, data),)


def _pad(op: Op) -> tuple[Pass, ...]:
    """Strips of zeros from the weight memory: above and below, left and right."""
    rows, columns = op.out_size
    channels = op.out_channels
    shapes = [(part, columns, channels) for part in _halves(rows - op.height)]
    shapes += [(rows, part, channels) for part in _halves(columns - op.width)]
    return tuple(
        Pass(Engine.POOLING, Map(shape, bricks=False, is_constant=True), Map(shape)) for shape in shapes
    )


def _halves(count: int) -> list[int]:
    return [part for part in (count // 2, count - count // 2) if part > 0]


def _depth_multiplier(op: Op) -> tuple[Pass, ...]:
    """A depthwise pass for each multiple, then transposes that put their channels in turn."""
    channels, count = op.in_channels, op.out_channels // op.in_channels
    rows, columns = op.out_size
    source, target = Map((op.height, op.width, channels)), Map((rows, columns, channels), bricks=False)
    one = Pass(Engine.DEPTHWISE, source, target, window=op.window, stride=op.stride)
    pairs = (
        ((count, rows, columns * channels), (rows, count, columns * channels)),
        ((rows, count, columns * channels), (count, rows, columns * channels)),
        ((count * rows, columns, channels), (count * rows, channels, columns)),
        ((count, rows * channels, columns), (columns, rows * channels, count)),
        ((rows * columns, channels, count), (rows * columns, count, channels)),
        ((rows, columns, channels * count), (columns, rows, channels * count)),
        ((rows * columns, count, channels), (rows * columns, channels, count)),
    )
    return (
        *[one] * count,
        *(Pass(Engine.TRANSPOSE, Map(a, bricks=False), Map(b, bricks=False)) for a, b in pairs),
    )


def _linear(op: Op) -> tuple[Pass, ...]:
    rows, columns = token_map(op.height * op.width)
    source = Map((rows, columns, op.in_channels), bricks=False)
    target = Map((rows, columns, op.out_channels), bricks=op.fused_gelu)
    return (Pass(Engine.CONVOLUTION, source, target, uses_table=op.fused_gelu),)


def _activation(op: Op) -> tuple[Pass, ...]:
    data = Map((op.height, op.width, op.out_channels))
    return (Pass(Engine.POOLING, data, data, uses_table=True),)


def _add(op: Op) -> tuple[Pass, ...]:
    return _of_two_maps(op, ADD)


def _multiply(op: Op) -> tuple[Pass, ...]:
    return _of_two_maps(op, MULTIPLY)


def _of_two_maps(op: Op, output: int) -> tuple[Pass, ...]:
    if op.width == 1 and op.height > 1:
        data = Map((1, op.height, op.out_channels), bricks=False)
    else:
        data = Map((op.height, op.width, op.out_channels))
    return (Pass(Engine.ELEMENTWISE, data, data, data, output=output),)


_LOWERINGS: dict[str, Callable[[Op], tuple[Pass, ...]]] = {
    "conv2d": _convolution,
    "depthwise": _depthwise,
    "linear": _linear,
    "matmul": product_passes,
    "softmax": softmax_passes,
    "norm": norm_passes,
    "activation": _activation,
    "add": _add,
    "pool": _pool,
    "max_pool": _pool,
    "mean": _mean,
    "mul": _multiply,
    "resize": _resize,
    "bilinear": _bilinear,
    "copy": _copy,
    "pad": _pad,
    "depth_multiplier": _depth_multiplier,
}
