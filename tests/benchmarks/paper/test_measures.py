"""Measures of pairs of fronts: cases by hand, a second implementation, properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper.measures import (
    GRID,
    Front,
    accuracy_at,
    blocks_median,
    blocks_share,
    cost_at,
    measured,
    points_gained,
    savings,
    vit_per_10_conv,
    window,
)
from search_space.arrays import Floats

IMAGES = 400
"""A quarter of a point is one image of these."""


def front(*points: tuple[float, float], conv: list[int] | None = None, vit: list[int] | None = None) -> Front:
    """A front from (cost, accuracy) of each network; ten conv and three ViT blocks unless given."""
    costs, accuracies = np.array(points, dtype=np.float64).T
    return Front(
        costs,
        accuracies,
        np.array(conv or [10] * len(points), dtype=np.float64),
        np.array(vit or [3] * len(points), dtype=np.float64),
    )


@st.composite
def fronts(draw: st.DrawFn) -> Front:
    count = draw(st.integers(1, 8))
    costs = draw(st.lists(st.floats(0.01, 100), min_size=count, max_size=count))
    right = draw(st.lists(st.integers(0, IMAGES), min_size=count, max_size=count))
    blocks = st.lists(st.integers(0, 12), min_size=count, max_size=count)
    points = zip(costs, (100 * one / IMAGES for one in right), strict=True)
    return front(*points, conv=draw(blocks), vit=draw(blocks))


# Costs 1, 2 and 4 buy 70, 80 and 90 %.
STEPS = front((4.0, 90.0), (1.0, 70.0), (2.0, 80.0))


def test_cost_at_accuracy_by_hand() -> None:
    wanted = np.array([0.0, 70.0, 70.25, 80.0, 89.9, 90.0, 90.1])
    assert cost_at(STEPS.costs, STEPS.accuracies, wanted).tolist() == [1, 1, 2, 2, 4, 4, math.inf]


def test_accuracy_at_cost_by_hand() -> None:
    found = accuracy_at(STEPS.costs, STEPS.accuracies, np.array([0.9, 1.0, 1.9, 2.0, 3.9, 4.0, 99.0]))
    assert math.isnan(found[0])
    assert found[1:].tolist() == [70, 70, 80, 80, 90, 90]


def test_a_dominated_network_changes_nothing() -> None:
    more = front((4.0, 90.0), (1.0, 70.0), (2.0, 80.0), (3.0, 79.0))
    grid = np.linspace(60, 90, 50)
    assert (cost_at(more.costs, more.accuracies, grid) == cost_at(STEPS.costs, STEPS.accuracies, grid)).all()


def test_window_by_hand() -> None:
    grid = window(np.array([87.13, 50.0]), np.array([60.0, 88.0]))
    assert len(grid) == GRID == 41
    assert (grid[0], grid[1], grid[-1]) == (77.0, 77.25, 87.0)
    # An accuracy on the grid is itself the top.
    assert window(np.array([100 * 8725 / 10_000]), np.array([99.0]))[-1] == 87.25


def test_savings_by_hand() -> None:
    """The chip halves the cost of 80 % and leaves that of 90 %.

    The window is 80 to 90: one value of the grid (80.0) is reached by the cheaper network, 40 are not.
    """
    base, chip = front((2.0, 80.0), (4.0, 90.0)), front((1.0, 80.0), (4.0, 90.0))
    saved = savings(chip, base)
    assert saved.tolist() == [50.0] + [0.0] * 40
    figures = measured(chip, base)
    assert figures["saved_mean"] == pytest.approx(50 / 41)
    assert figures["saved_most"] == 50


def test_a_chip_that_costs_more_saves_less_than_nothing() -> None:
    base, chip = front((2.0, 80.0)), front((3.0, 85.0))
    assert savings(chip, base).tolist() == [-50.0] * 41


def test_points_gained_by_hand() -> None:
    """Costs run from 1 to 16 in 40 equal ratios: 2 is reached after 10 of them, 4 after 20, 8 after 30."""
    base = front((1.0, 80.0), (16.0, 90.0))
    chip = front((0.5, 81.0), (1.5, 83.0), (9.0, 90.0))
    gained = points_gained(chip, base)
    ratios = 16.0 ** (np.arange(41) / 40)
    expected = np.where(ratios < 1.5, 1.0, np.where(ratios < 9.0, 3.0, 10.0))
    expected[-1] = 0.0
    assert gained.tolist() == expected.tolist()
    assert measured(chip, base)["gained_most"] == 10


def test_costs_below_the_chip_are_left_out() -> None:
    base, chip = front((1.0, 80.0), (4.0, 90.0)), front((2.0, 84.0), (4.0, 91.0))
    gained = points_gained(chip, base)
    # Costs 1 to 4 in 40 ratios: the chip's first network costs 2, half of them.
    assert np.isnan(gained[:20]).all()
    assert gained[20:].tolist() == [4.0] * 20 + [1.0]
    assert measured(chip, base)["gained_mean"] == pytest.approx(81 / 21)
    never = measured(front((9.0, 90.0)), base)
    assert np.isnan([never["gained_mean"], never["gained_most"]]).all()


def test_blocks_by_hand() -> None:
    """Four networks lie in the window from 75 to 85: ratios 1, 3, 5 and none; 86 and 74 lie outside."""
    chip = front(
        (1.0, 74.0), (2.0, 75.0), (3.0, 80.0), (4.0, 82.0), (5.0, 85.0), (6.0, 86.0),
        conv=[10, 10, 10, 4, 0, 10], vit=[3, 1, 3, 2, 2, 4],
    )  # fmt: skip
    base = front((9.0, 85.1))
    assert vit_per_10_conv(chip).tolist() == [3, 1, 3, 5, math.inf, 4]
    assert blocks_share(chip, base) == 50.0
    assert blocks_median(chip, base) == 4.0  # between 3 and 5
    assert vit_per_10_conv(front((1.0, 1.0), conv=[0], vit=[0])).tolist() == [0.0]


def test_blocks_without_a_network_in_the_window() -> None:
    chip, base = front((1.0, 90.1)), front((1.0, 95.0))
    assert np.isnan([blocks_share(chip, base), blocks_median(chip, base)]).all()


def slow_savings(chip: Front, base: Front) -> list[float]:
    """By loops, from the words of the protocol."""
    top = math.floor(4 * min(chip.accuracies.max(), base.accuracies.max())) / 4
    saved = []
    for step in range(41):
        wanted = top - 10 + step / 4
        cheapest = [
            min(cost for cost, accuracy in zip(one.costs, one.accuracies, strict=True) if accuracy >= wanted)
            for one in (chip, base)
        ]
        saved.append(100 * (1 - cheapest[0] / cheapest[1]))
    return saved


@given(fronts(), fronts())
def test_savings_are_those_of_a_second_implementation(chip: Front, base: Front) -> None:
    assert savings(chip, base).tolist() == pytest.approx(slow_savings(chip, base))


@given(fronts(), st.lists(st.floats(0, 100), min_size=2, max_size=9))
def test_cost_at_accuracy_rises(one: Front, wanted: list[float]) -> None:
    found = cost_at(one.costs, one.accuracies, np.sort(wanted))
    assert (found[1:] >= found[:-1]).all()


@given(fronts(), st.lists(st.floats(0.01, 200), min_size=2, max_size=9))
def test_accuracy_at_cost_rises(one: Front, allowed: list[float]) -> None:
    found = accuracy_at(one.costs, one.accuracies, np.sort(allowed))
    known = found[~np.isnan(found)]
    assert (known[1:] >= known[:-1]).all()
    # Undefined exactly below the cheapest network.
    assert (np.isnan(found) == (np.sort(allowed) < one.costs.min())).all()


@given(fronts(), st.integers(0, IMAGES))
def test_the_cost_of_an_accuracy_buys_it(one: Front, right: int) -> None:
    wanted = np.array([100 * right / IMAGES])
    cost = cost_at(one.costs, one.accuracies, wanted)
    if np.isfinite(cost).all():
        assert accuracy_at(one.costs, one.accuracies, cost) >= wanted


@given(fronts())
def test_equal_fronts_save_and_gain_nothing(one: Front) -> None:
    figures = measured(one, one)
    for name in ("saved_mean", "saved_most", "gained_mean", "gained_most"):
        assert figures[name] == 0


@given(fronts(), st.floats(0.01, 10))
def test_a_scaled_cost_saves_its_share(one: Front, factor: float) -> None:
    scaled = Front(factor * one.costs, one.accuracies, one.conv_blocks, one.vit_blocks)
    assert savings(scaled, one) == pytest.approx(np.full(41, 100 * (1 - factor)))


@given(fronts(), fronts(), st.randoms(use_true_random=False))
def test_the_order_of_networks_does_not_matter(chip: Front, base: Front, random: object) -> None:
    places = list(range(len(chip.costs)))
    random.shuffle(places)  # type: ignore[attr-defined]
    shuffled = Front(*(part[places] for part in vars(chip).values()))
    before, after = measured(chip, base), measured(shuffled, base)
    for name, value in before.items():
        assert np.array_equal(value, after[name], equal_nan=True), name


@given(fronts(), fronts(), st.integers(2, 4))
def test_resamples_are_computed_each_alone(chip: Front, base: Front, rows: int) -> None:
    def resampled(one: Front) -> Floats:
        return np.stack([np.roll(one.accuracies, row) for row in range(rows)])

    def with_accuracies(one: Front, accuracies: Floats) -> Front:
        return Front(one.costs, accuracies, one.conv_blocks, one.vit_blocks)

    chips, bases = resampled(chip), resampled(base)
    together = measured(with_accuracies(chip, chips), with_accuracies(base, bases))
    for row in range(rows):
        alone = measured(with_accuracies(chip, chips[row]), with_accuracies(base, bases[row]))
        for name, value in alone.items():
            assert np.array_equal(together[name][row], value, equal_nan=True), name
