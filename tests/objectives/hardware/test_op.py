from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from objectives.hardware import KINDS, InvalidOpError, Op
from objectives.hardware.op import OpArrays, op_of
from search_space.errors import UnknownNameError

CONV = Op("conv2d", 15, 15, 8, 24, kernel=3, stride=2)
DEPTHWISE = Op("depthwise", 15, 15, 24, 24, kernel=5)
LINEAR = Op("linear", 49, 1, 32, 96, heads=2)
MATMUL = Op("matmul", 49, 1, 16, 49, heads=2)
SOFTMAX = Op("softmax", 49, 1, 49, 49, heads=2)
NORM = Op("norm", 49, 1, 32, 32)
ACTIVATION = Op("activation", 49, 1, 64, 64)
ADD = Op("add", 7, 7, 32, 32)
POOL = Op("pool", 7, 7, 64, 64, kernel=7, stride=7)
WINDOW = Op("conv2d", 15, 12, 8, 24, kernel=5, kernel_width=3, out_height=11, out_width=10)
MULTIPLIER = Op("depth_multiplier", 15, 15, 8, 24, kernel=3, stride=2)
MAXIMUM = Op("max_pool", 8, 6, 16, 16, kernel=2, stride=2)
MEAN = Op("mean", 8, 6, 16, 16)
MUL = Op("mul", 7, 7, 32, 32)
RESIZE = Op("resize", 4, 6, 16, 16, out_height=8, out_width=12)
BILINEAR = Op("bilinear", 4, 6, 16, 16, out_height=8, out_width=12)
COPY = Op("copy", 4, 6, 16, 16)
PART = Op("bilinear", 4, 6, 16, 24, out_height=8, out_width=12)
PAD = Op("pad", 4, 6, 16, 16, out_height=5, out_width=8)
ALL = [
    *(CONV, DEPTHWISE, LINEAR, MATMUL, SOFTMAX, NORM, ACTIVATION, ADD, POOL, WINDOW, MULTIPLIER),
    *(MAXIMUM, MEAN, MUL, RESIZE, BILINEAR, PART, COPY, PAD),
]


def test_every_kind_is_covered() -> None:
    assert {op.kind for op in ALL} == set(KINDS)


@pytest.mark.parametrize(
    ("op", "macs", "weights", "read", "written"),
    [
        (CONV, 64 * 9 * 8 * 24, 9 * 8 * 24, 225 * 8, 64 * 24),
        (DEPTHWISE, 225 * 25 * 24, 25 * 24, 225 * 24, 225 * 24),
        (LINEAR, 49 * 32 * 96, 32 * 96, 49 * 32, 49 * 96),
        (MATMUL, 2 * 49 * 16 * 49, 0, 2 * 16 * (49 + 49), 2 * 49 * 49),
        (SOFTMAX, 0, 0, 2 * 49 * 49, 2 * 49 * 49),
        (NORM, 0, 0, 49 * 32, 49 * 32),
        (ACTIVATION, 0, 0, 49 * 64, 49 * 64),
        (ADD, 0, 0, 2 * 49 * 32, 49 * 32),
        (POOL, 0, 0, 49 * 64, 64),
        (WINDOW, 110 * 15 * 8 * 24, 15 * 8 * 24, 180 * 8, 110 * 24),
        (MULTIPLIER, 64 * 9 * 24, 9 * 24, 225 * 8, 64 * 24),
        (MAXIMUM, 0, 0, 48 * 16, 12 * 16),
        (MEAN, 0, 0, 48 * 16, 16),
        (MUL, 0, 0, 2 * 49 * 32, 49 * 32),
        (RESIZE, 0, 0, 24 * 16, 96 * 16),
        (BILINEAR, 0, 0, 24 * 16, 96 * 16),
        (PART, 0, 0, 24 * 16, 96 * 24),
        (COPY, 0, 0, 24 * 16, 24 * 16),
        (PAD, 0, 0, 24 * 16, 40 * 16),
    ],
    ids=lambda value: value.kind if isinstance(value, Op) else "",
)
def test_counts_in_closed_form(op: Op, macs: int, weights: int, read: int, written: int) -> None:
    assert (op.macs, op.weight_bytes, op.input_bytes, op.output_bytes) == (macs, weights, read, written)


@pytest.mark.parametrize("name", ["positions", "macs", "weight_bytes", "input_bytes", "output_bytes"])
def test_arrays_agree_with_single_ops(name: str) -> None:
    np.testing.assert_array_equal(getattr(OpArrays.of(ALL), name), [getattr(op, name) for op in ALL])


def test_arrays_give_back_their_ops() -> None:
    assert [replace(op, heads=1) if op.kind == "linear" else op for op in ALL] == [
        op_of(row) for row in OpArrays.of(ALL).rows()
    ]


def test_sizes_that_say_what_the_default_says_are_the_default() -> None:
    same = Op("conv2d", 15, 15, 8, 24, kernel=3, stride=2, kernel_width=3, out_height=8, out_width=8)
    assert same == CONV
    assert same.shape == "15x15x8->24 k3 s2"
    assert WINDOW.shape == "15x12x8->24 k5x3 to 11x10"


def test_no_ops_are_empty_arrays() -> None:
    assert OpArrays.of([]).macs.shape == (0,)


def test_ops_are_values() -> None:
    numpy_integers = Op("conv2d", *np.array([15, 15, 8, 24, 3, 2]))
    assert numpy_integers == CONV
    assert hash(numpy_integers) == hash(CONV)
    assert type(numpy_integers.height) is int


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="must be one of conv2d, depthwise"):
        Op("conv3d", 8, 8, 8, 8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"height": 0}, "`height` must be a positive integer, but got 0"),
        ({"width": -1}, "`width` must be a positive integer"),
        ({"in_channels": 8.0}, "`in_channels` must be a positive integer"),
        ({"out_channels": True}, "`out_channels` must be a positive integer"),
        ({"kernel": "3"}, "`kernel` must be a positive integer"),
        ({"kind": "linear", "kernel": 3}, "`kernel` and `stride` must be 1"),
        ({"kind": "depthwise"}, "`in_channels` must equal `out_channels`"),
        ({"kind": "matmul"}, "`width` must be 1"),
        ({"heads": 2}, "`heads` must be 1"),
        ({"kind": "linear", "heads": 5}, "must be a multiple of `heads`"),
        ({"fused_gelu": True}, "needs kind 'linear'"),
        ({"kernel_width": -1}, "`kernel_width` must be a non-negative integer"),
        ({"kind": "linear", "kernel_width": 3}, "`kernel_width` must be 0"),
        ({"kind": "add", "out_height": 3}, "`out_height` and `out_width` must be 0"),
        ({"kind": "depth_multiplier", "out_channels": 12}, "must be a multiple of `in_channels`"),
    ],
)
def test_bad_fields_are_named(fields: dict[str, object], message: str) -> None:
    good = {"kind": "conv2d", "height": 8, "width": 8, "in_channels": 8, "out_channels": 16}
    with pytest.raises(InvalidOpError, match=message):
        Op(**{**good, **fields})  # type: ignore[arg-type]
