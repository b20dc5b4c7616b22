from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studies.study.hypervolume import MARGIN, bounds, contributions, hypervolume, spread
from studies.study.pareto_front import losses

POINTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.integers(0, 4).map(float),
)


def test_bounds_span_smallest_to_largest_with_a_margin() -> None:
    ideal, reference = bounds(
        np.array([[np.nan, 2.0, 0.1], [np.nan, 12.0, 5.1]]), ["max", "min", "min"], ["%", "ms", "mJ"]
    )
    assert ideal.tolist() == pytest.approx([100.0, 2.0 - 10 * MARGIN, 0.0])  # Never below 0.
    assert reference.tolist() == pytest.approx([0.0, 12.0 + 10 * MARGIN, 5.1 + 5 * MARGIN])


def test_a_cost_on_a_logarithmic_scale_is_widened_by_a_factor() -> None:
    extremes = np.array([[np.nan, 1.0, 2.0, 0.0], [np.nan, 10.0**5, 2.0, 4.0]])
    directions, units = ["max", "min", "min", "min"], ["%", "ms", "mJ", "blocks"]
    ideal, reference = bounds(extremes, directions, units, scale="log")
    # 10^5 to the power of 0.1; then equal extremes; then a cost of 0, which has no logarithm.
    assert ideal.tolist() == pytest.approx([100, 10**-0.5, 2 / (1 + MARGIN), 0])
    assert reference.tolist() == pytest.approx([0, 10**5.5, 2 * (1 + MARGIN), 4 + 4 * MARGIN])


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_bounds_have_a_range_even_where_both_extremes_agree(value: float) -> None:
    ideal, reference = bounds(np.array([[value], [value]]), ["min"], ["ms"])
    assert ideal[0] <= value < reference[0]


def test_hypervolume_of_one_point_is_its_box() -> None:
    # acc 80 of 100 and lat 2 of 0 to 10: 0.8 x 0.8.
    points = losses(np.array([[80.0, 2.0]]), ["max", "min"])
    assert hypervolume(points, np.array([-100.0, 0.0]), np.array([0.0, 10.0])) == pytest.approx(0.64)


def test_hypervolume_of_a_staircase() -> None:
    points = np.array([[0.0, 0.75], [0.25, 0.25], [0.5, 0.5], [0.75, 0.0]])
    # Columns of width 1/4: heights 1/4, 3/4, 3/4, 1.
    assert hypervolume(points, np.zeros(2), np.ones(2)) == pytest.approx((0.25 + 0.75 + 0.75 + 1) / 4)


def test_points_beyond_the_corners_are_clipped() -> None:
    ideal, reference = np.zeros(2), np.ones(2)
    assert hypervolume(np.array([[-1.0, 0.5]]), ideal, reference) == pytest.approx(0.5)
    assert hypervolume(np.array([[0.5, 3.0]]), ideal, reference) == 0.0
    assert hypervolume(np.empty((0, 2)), ideal, reference) == 0.0


@given(POINTS)
def test_hypervolume_is_a_share_and_grows_with_the_set(points: np.ndarray) -> None:
    ideal, reference = np.zeros(points.shape[1]), np.full(points.shape[1], 4.0)
    parts = [hypervolume(points[:count], ideal, reference) for count in range(len(points) + 1)]
    assert parts[0] == 0.0
    assert all(0 <= before <= after + 1e-12 <= 1 + 2e-12 for before, after in pairwise(parts))


@given(POINTS)
def test_contribution_is_what_is_lost_without_the_point(points: np.ndarray) -> None:
    # Some points lie beyond the corners.
    box = np.full(points.shape[1], 0.5), np.full(points.shape[1], 3.5)
    whole = hypervolume(points, *box)
    lost = [whole - hypervolume(np.delete(points, row, axis=0), *box) for row in range(len(points))]
    assert contributions(points, *box) == pytest.approx(lost, abs=1e-12)


def test_nothing_contributes_nothing() -> None:
    assert contributions(np.empty((0, 2)), np.zeros(2), np.ones(2)).tolist() == []


def test_spread_drops_twins_first_and_keeps_order() -> None:
    box = np.zeros(2), np.ones(2)
    steps = np.linspace(0.1, 0.9, 9)
    line = np.stack([steps, 1.0 - steps], axis=1)
    twins = np.concatenate([line, line[4:5] + 1e-6])
    assert spread(twins, *box, 9) in (list(range(9)), [0, 1, 2, 3, 5, 6, 7, 8, 9])
    assert len(spread(line, *box, 4)) == 4
    assert spread(line, *box, 20) == list(range(9))
    assert spread(line, *box, 0) == []
