from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.arrays import Floats
from studies.analysis.tradeoff import cost_saved, quality_gained, tradeoff, within

points = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 100)), min_size=1, max_size=12)


def floats(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def test_front_without_what_is_dominated() -> None:
    found = tradeoff(floats(2, 1, 3, 2, 3, 4), floats(50, 10, 40, 60, 90, 90))
    assert found.cost.tolist() == [1, 2, 3]
    assert found.quality.tolist() == [10, 60, 90]


def test_gains_in_closed_form() -> None:
    # Quality 10 c against 10 c + 5, from 1 to 3: 5 more everywhere.
    first = tradeoff(floats(1, 3), floats(10, 30))
    second = tradeoff(floats(0.5, 4), floats(10, 45))
    gained = quality_gained(first, second)
    assert gained is not None
    assert gained.range == (1, 3)
    assert [gained.mean, gained.max] == pytest.approx([5, 5])
    # At quality q the costs are q / 10 and (q - 5) / 10: 5 / q is saved, from 10 to 30.
    saved = cost_saved(first, second)
    assert saved is not None
    assert saved.range == (10, 30)
    assert saved.max == pytest.approx(50)
    assert saved.mean == pytest.approx(100 * 5 * np.log(3) / 20)


def test_a_corner_inside_the_range_counts() -> None:
    first = tradeoff(floats(0, 4), floats(0, 40))
    second = tradeoff(floats(0, 1, 4), floats(0, 30, 40))
    gained = quality_gained(first, second)
    assert gained is not None
    assert gained.max == pytest.approx(20)
    # Triangle over 0 to 4 with height 20.
    assert gained.mean == pytest.approx(10)


def test_ranges_that_touch_and_ranges_that_do_not() -> None:
    first, second = tradeoff(floats(1, 2), floats(10, 20)), tradeoff(floats(2, 3), floats(5, 15))
    touching = quality_gained(first, second)
    assert touching is not None
    assert touching.range == (2, 2)
    assert (touching.mean, touching.max) == (-15, -15)
    assert quality_gained(first, tradeoff(floats(2.5), floats(50))) is None
    assert quality_gained(first, tradeoff(floats(), floats())) is None
    assert cost_saved(tradeoff(floats(), floats()), first) is None


@given(first=points, second=points)
def test_against_sums_over_a_fine_grid(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = (tradeoff(*np.array(rows, dtype=np.float64).T) for rows in (first, second))
    gained, saved = quality_gained(one, other), cost_saved(one, other)
    if gained is not None:
        at = np.linspace(*gained.range, 4001)
        expected = np.interp(at, other.cost, other.quality) - np.interp(at, one.cost, one.quality)
        assert gained.mean == pytest.approx(expected.mean(), abs=0.2)
        assert gained.max >= expected.max() - 1e-9
        assert gained.max == pytest.approx(expected.max(), abs=0.5)
        assert gained.mean <= gained.max + 1e-9
    if saved is not None:
        at = np.linspace(*saved.range, 4001)
        ratio = np.interp(at, other.quality, other.cost) / np.interp(at, one.quality, one.cost)
        assert saved.mean == pytest.approx(100 * (1 - ratio.mean()), rel=0.02, abs=1)
        assert saved.max >= 100 * (1 - ratio.min()) - 1e-6


@given(first=points, second=points)
def test_what_one_gains_the_other_loses(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = (tradeoff(*np.array(rows, dtype=np.float64).T) for rows in (first, second))
    forwards, backwards = quality_gained(one, other), quality_gained(other, one)
    assert (forwards is None) == (backwards is None)
    if forwards is not None and backwards is not None:
        assert forwards.range == backwards.range
        assert forwards.mean == pytest.approx(-backwards.mean, abs=1e-9)


def test_a_window_cuts_a_curve_along_its_lines() -> None:
    curve = tradeoff(floats(1, 3, 5), floats(10, 30, 90))
    cut = within(curve, (2, 10), (0, 60))
    # At a cost of 2 the quality is 20; a quality of 60 costs 4.
    assert cut.cost.tolist() == [2, 3, 4]
    assert cut.quality.tolist() == [20, 30, 60]
    assert within(curve, None, None).cost.tolist() == [1, 3, 5]
    assert within(curve, (3, 3), None).quality.tolist() == [30]
    for nothing in (
        within(curve, (6, 7), None),
        within(curve, None, (91, 95)),
        within(curve, (1, 2), (50, 60)),
    ):
        assert nothing.cost.tolist() == []
