"""Passes of a layer norm in nine TensorFlow Lite operators."""

from __future__ import annotations

from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass
from objectives.hardware.npu_passes.machine import ADD, MULTIPLY, WIDE_BINARY
from objectives.hardware.npu_passes.row_vector import row_vector
from objectives.hardware.op import Op

_ONE = Map((1, 1, 1), 32, bricks=False, is_constant=True)


def norm_passes(op: Op) -> tuple[Pass, ...]:
    """Mean, squared difference, its mean, reciprocal root by table, and scaling, over rows of tokens."""
    rows, channels = op.height * op.width, op.out_channels
    shape = (1, rows, channels)
    plain, bricks = Map(shape, bricks=False), Map(shape)
    wide_plain, wide = Map(shape, 32, bricks=False), Map(shape, 32)
    one_each = (1, rows, 1)
    packed = row_vector(rows, one_each)
    small, small_wide = Map(packed, bricks=False), Map(packed, 32, bricks=False)
    row_small, row_wide = Map(one_each, bricks=False), Map(one_each, 32, bricks=False)
    per_channel = Map((1, 1, channels), bricks=False, is_constant=True)
    mean = (
        Pass(
            Engine.DEPTHWISE,
            Map((rows, channels, 1), bricks=False),
            Map((rows, 1, 1), 32, bricks=False),
            window=(1, channels),
        ),
        Pass(Engine.ELEMENTWISE, small_wide, small, _ONE, output=WIDE_BINARY),
    )
    squares = (
        Pass(Engine.POOLING, small, small_wide),
        Pass(Engine.ELEMENTWISE, small_wide, small_wide, _ONE, output=WIDE_BINARY),
        Pass(Engine.POOLING, plain, wide_plain),
        Pass(Engine.ELEMENTWISE, wide_plain, wide, _ONE, output=WIDE_BINARY),
        Pass(Engine.ELEMENTWISE, wide, wide, row_wide, output=WIDE_BINARY),
        Pass(Engine.ELEMENTWISE, wide, wide, wide, output=WIDE_BINARY),
        Pass(Engine.ELEMENTWISE, wide_plain._replace(is_constant=True), wide, wide, output=WIDE_BINARY),
        Pass(Engine.ELEMENTWISE, wide, plain, _ONE, output=WIDE_BINARY),
    )
    return (
        *mean,
        *squares,
        *mean,
        Pass(Engine.ELEMENTWISE, small, small, _ONE._replace(bits=8), output=ADD, uses_table=True),
        Pass(Engine.ELEMENTWISE, plain, bricks, row_small, output=ADD),
        Pass(Engine.ELEMENTWISE, bricks, bricks, row_small, output=MULTIPLY),
        Pass(Engine.ELEMENTWISE, bricks, bricks, per_channel, output=MULTIPLY),
        Pass(Engine.ELEMENTWISE, bricks, plain, per_channel, output=ADD),
    )
