"""Passes of attention: products of two activations with their transposes, and softmax."""

from __future__ import annotations

from objectives.hardware.npu_passes.layer_pass import Engine, Map, Pass
from objectives.hardware.npu_passes.machine import ADD, WIDE_BINARY, WIDE_UNARY
from objectives.hardware.npu_passes.row_vector import row_vector
from objectives.hardware.op import Op

ONE = Map((1, 1, 1), 32, bricks=False, is_constant=True)
"""A constant of 32 bits."""


def product_passes(op: Op) -> tuple[Pass, ...]:
    """QK^T with the transposes of the joint projection to heads, or AV with those of V and of its result."""
    heads, rows, depth, columns = op.heads, op.height, op.in_channels, op.out_channels
    target = Map((heads, rows, columns), bricks=False)
    source = Map((heads, rows, depth), bricks=False)
    product = Pass(
        Engine.ELEMENTWISE,
        source,
        target,
        Map((heads, columns, depth), bricks=False),
        columns=columns,
    )
    if is_attend(op):
        values = Map((heads, depth, columns), bricks=False)
        columns_first = Map((heads, columns, depth), bricks=False)
        tokens = Map((rows, heads, columns), bricks=False)
        return (
            Pass(Engine.TRANSPOSE, values, columns_first),
            product,
            Pass(Engine.TRANSPOSE, target, tokens),
        )
    joint = Map((rows, 3 * heads, depth), bricks=False)
    by_head = Map((3 * heads, rows, depth), bricks=False)
    part = Map((heads, columns, depth), bricks=False)
    copy = Pass(Engine.POOLING, part, part)
    if heads * 3 == 1:
        return (copy, copy, product)
    return (Pass(Engine.TRANSPOSE, joint, by_head), copy, copy, product)


def is_attend(op: Op) -> bool:
    """Whether a product is that of attention and values: its first operand is square."""
    return op.in_channels == op.height != op.out_channels


def softmax_passes(op: Op) -> tuple[Pass, ...]:
    """Softmax over the last axis: maximum, exponential by table, sum, its reciprocal by Newton's method."""
    heads, rows, columns = op.heads, op.height, op.out_channels
    shape = (heads, rows, columns)
    scores = Map(shape, bricks=False)
    flat = Map((heads * rows, columns, 1), bricks=False)
    plain = heads * rows > 16
    is_row = (heads, rows, 1)
    largest = Map((heads * rows, 1, 1), bricks=False)
    exponent = Map(shape, 32)
    shifted = Map(shape, 32, bricks=False)
    summed = Map(is_row, 32, bricks=not plain)
    rows_small = Map(is_row, 8, bricks=False)
    return (
        Pass(Engine.POOLING, flat, largest, window=(1, columns)),
        Pass(Engine.ELEMENTWISE, scores, exponent, rows_small, output=ADD, uses_table=True),
        Pass(Engine.ELEMENTWISE, exponent, shifted, ONE, output=WIDE_BINARY),
        Pass(Engine.REDUCTION, shifted, summed),
        *_reciprocal(heads * rows, is_row),
        Pass(Engine.ELEMENTWISE, exponent, exponent, summed, output=WIDE_BINARY),
        Pass(
            Engine.ELEMENTWISE,
            Map(shape, 32, bricks=False, is_constant=True),
            exponent,
            exponent,
            output=WIDE_BINARY,
        ),
        Pass(Engine.ELEMENTWISE, exponent, scores, summed, output=WIDE_BINARY),
    )


def _reciprocal(count: int, shape: tuple[int, int, int]) -> tuple[Pass, ...]:
    """Passes over one number per row: scaling, first guess, three steps of Newton's method."""
    reshaped = row_vector(count, shape)
    bricks = Map(reshaped, 32)
    plain = Map(reshaped, 32, bricks=count <= 16)

    def binary(first: Map, second: Map, target: Map = bricks) -> Pass:
        return Pass(Engine.ELEMENTWISE, first, target, second, output=WIDE_BINARY)

    newton = (
        binary(bricks, bricks),
        binary(ONE, bricks),
        binary(bricks, bricks),
        binary(bricks, ONE),
        binary(bricks, bricks),
    )
    last = (*newton[:4], binary(bricks, bricks, plain))
    return (
        Pass(Engine.ELEMENTWISE, plain, bricks, output=WIDE_UNARY),
        binary(ONE, bricks, plain),
        binary(bricks, ONE),
        binary(plain, bricks),
        binary(bricks, ONE),
        binary(bricks, ONE),
        *newton,
        *newton,
        *last,
    )
