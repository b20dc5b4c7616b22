"""Passes of ops that the NPU does not run as one."""

from __future__ import annotations

import pytest

from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.op import Op


@pytest.mark.parametrize(
    ("rows", "columns", "strips"),
    [
        (9, 8, [(1, 8, 16)]),  # one row, below
        (10, 11, [(1, 11, 16), (1, 11, 16), (10, 1, 16), (10, 2, 16)]),
    ],
)
def test_zeros_are_written_in_strips_around_the_map(
    rows: int, columns: int, strips: list[tuple[int, int, int]]
) -> None:
    op = Op("pad", 8, 8, 16, 16, out_height=rows, out_width=columns)
    passes = passes_of(op)
    written = [each.target.shape for each in passes if each.source.is_constant]
    assert written == strips
    # With the copy of the map itself, the strips fill the output, where corners lie in two of them.
    corners = (rows - 8) * (columns - 8) * 16
    assert sum(a * b * c for a, b, c in written) == (rows * columns - 64) * 16 + corners
