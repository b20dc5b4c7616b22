"""Vectors of one number per row."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware.npu_passes.row_vector import row_vector


# Shapes that Vela 5.2.0 gives the sums of a softmax.
@pytest.mark.parametrize(
    ("count", "shape"), [(147, (7, 1, 21)), (128, (4, 2, 16)), (192, (6, 2, 16)), (64, (2, 2, 16))]
)
def test_shapes_of_the_compiler(count: int, shape: tuple[int, int, int]) -> None:
    assert row_vector(count, (1, count, 1)) == shape


@given(st.integers(17, 4000))
def test_all_numbers_are_kept_and_a_brick_is_filled(count: int) -> None:
    height, width, depth = row_vector(count, (1, count, 1))
    assert prod((height, width, depth)) == count
    assert depth >= 16
    assert height >= width


def test_short_vectors_keep_their_shape() -> None:
    assert row_vector(16, (1, 16, 1)) == (1, 16, 1)
