"""Passes of an op inside a network: what the compiler makes of each kind.

Formats are those inside a network: maps of convolutions lie in bricks of 16 channels, those of tokens pixel
by pixel, and so does the image.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, sqrt

from objectives.hardware.npu_passes.attention import product_passes, softmax_passes
from objectives.hardware.npu_passes.layer_norm import norm_passes
from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass
from objectives.hardware.npu_passes.machine import ADD
from objectives.hardware.op import Op

IMAGE_CHANNELS = 4
"""A convolution of up to this many channels reads the image."""


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


def _linear(op: Op) -> tuple[Pass, ...]:
    rows, columns = token_map(op.height * op.width)
    source = Map((rows, columns, op.in_channels), bricks=False)
    target = Map((rows, columns, op.out_channels), bricks=op.fused_gelu)
    return (Pass(Engine.CONVOLUTION, source, target, uses_table=op.fused_gelu),)


def _activation(op: Op) -> tuple[Pass, ...]:
    data = Map((op.height, op.width, op.out_channels))
    return (Pass(Engine.POOLING, data, data, uses_table=True),)


def _add(op: Op) -> tuple[Pass, ...]:
    if op.width == 1 and op.height > 1:
        data = Map((1, op.height, op.out_channels), bricks=False)
    else:
        data = Map((op.height, op.width, op.out_channels))
    return (Pass(Engine.ELEMENTWISE, data, data, data, output=ADD),)


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
}
