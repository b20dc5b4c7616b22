"""Passes of a layer norm in nine TensorFlow Lite operators."""

from __future__ import annotations

from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass
from objectives.hardware.npu_passes.machine import ADD, BRICK, MULTIPLY, WIDE_BINARY
from objectives.hardware.npu_passes.row_vector import row_vector
from objectives.hardware.op import Op

_ONE = Map((1, 1, 1), 32, bricks=False, is_constant=True)


def norm_passes(op: Op) -> tuple[Pass, ...]:
    """Mean, squared difference, its mean, reciprocal root by table, and scaling, over rows of tokens."""
    rows, channels = op.height * op.width, op.out_channels
    shape = (1, rows, channels)
    plain, bricks = Map(shape, bricks=False), Map(shape)
    wide_plain, wide = Map(shape, 32, bricks=False), Map(shape, 32)
    # Up to 16 numbers are not packed into channels and fill a brick each.
    is_short = rows <= BRICK
    packed, down = row_vector(rows, (1, rows, 1)), row_vector(rows, (rows, 1, 1))
    small, small_wide = Map(packed, bricks=False), Map(packed, 32, bricks=False)
    small_root, wide_mean = small._replace(bricks=is_short), small_wide._replace(bricks=is_short)
    row_small, row_wide = Map((1, rows, 1), bricks=False), Map((1, rows, 1), 32, bricks=is_short)
    row_root = row_small._replace(bricks=is_short)
    per_channel = Map((1, 1, channels), bricks=False, is_constant=True)
    mean = (
        Pass(
            Engine.DEPTHWISE,
            Map((rows, channels, 1), bricks=False),
            Map((rows, 1, 1), 32, bricks=is_short),
            window=(1, channels),
        ),
        Pass(
            Engine.ELEMENTWISE,
            Map(down, 32, bricks=is_short),
            Map(down, bricks=False),
            _ONE,
            output=WIDE_BINARY,
        ),
    )
    squares = (
        Pass(Engine.POOLING, small, small_wide),
        Pass(Engine.ELEMENTWISE, small_wide, wide_mean, _ONE, output=WIDE_BINARY),
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
        Pass(Engine.ELEMENTWISE, small, small_root, _ONE._replace(bits=8), output=ADD, uses_table=True),
        Pass(Engine.ELEMENTWISE, plain, bricks, row_small, output=ADD),
        Pass(Engine.ELEMENTWISE, bricks, bricks, row_root, output=MULTIPLY),
        Pass(Engine.ELEMENTWISE, bricks, bricks, per_channel, output=MULTIPLY),
        Pass(Engine.ELEMENTWISE, bricks, plain, per_channel, output=ADD),
    )
