"""Capacity of the macros against an exact knapsack."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, load_soc
from objectives.hardware.mapping.capacity import Options, hull, within
from objectives.hardware.mapping.device_choice import (
    LATENCY,
)
from objectives.hardware.mapping.mapper import Mapper
from objectives.hardware.mapping.segment_solver import Point, all_points
from objectives.hardware.mapping.split_costs import macro_options
from objectives.workload import ops_of, read_again, workload
from search_space.space import load_space
from tests.objectives.hardware.mapping.networks import TILES, changed, steps_of


def point(cycles: int, size: int) -> Point:
    return Point(float(cycles), 0.0, float(size), ())


segments = st.lists(
    st.builds(
        lambda slowest, others: [point(slowest, 0), *others],
        st.integers(50, 100),
        st.lists(st.builds(point, st.integers(1, 60), st.integers(1, 12)), max_size=4),
    ),
    min_size=1,
    max_size=6,
)


def exact(options: Sequence[Sequence[Point]], budget: float) -> float:
    """Least cycles by knapsack dynamic programming over bytes."""
    least = np.zeros(int(budget) + 1)
    for points in options:
        better = np.full_like(least, np.inf)
        for one in points:
            size = int(one.weight_bytes)
            if size <= budget:
                np.minimum(better[size:], least[: len(least) - size] + one.cycles, out=better[size:])
        least = better
    return float(least[-1])


@given(options=segments, budget=st.integers(0, 40))
def test_against_an_exact_knapsack(options: list[list[Point]], budget: int) -> None:
    taken = within([Options.of(points, LATENCY) for points in options], budget)
    assert all(one in points for one, points in zip(taken, options, strict=True))
    assert sum(one.weight_bytes for one in taken) <= budget
    got, best = sum(one.cycles for one in taken), exact(options, budget)
    assert got >= best
    # A relaxed knapsack is off by no more than what one segment gains.
    assert got - best <= max(points[0].cycles - min(one.cycles for one in points) for points in options)
    if sum(min(points, key=lambda one: one.key).weight_bytes for points in options) <= budget:
        assert got == best


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((4, 8, 16, 64, 3), (16, 4, 64, 40, 1)),
        ((16, 8, 48, 64, 1), (8, 4, 48, 64, 1)),
        ((8, 4, 64, 16, 3), (4, 4, 48, 16, 3)),
    ],
)
def test_best_number_of_macros_on_a_full_chip(
    first: tuple[int, int, int, int, int], second: tuple[int, int, int, int, int]
) -> None:
    # One tile a macro. Between two layers that go anywhere, an addition only the NPU runs.
    soc = changed(TILES, "cim", capacity=4)
    ops = [Op("conv2d", *first), Op("add", 8, 8, 16, 16), Op("conv2d", *second)]
    least: list[tuple[float, float]] = []
    unlimited: list[tuple[float, float]] = []
    for choice, macros in enumerate(macro_options(soc)):
        points = [all_points(steps.of_macros(choice)) or [] for steps in steps_of(ops, soc)]
        sums = [tuple(map(sum, zip(*(one.key for one in each), strict=True))) for each in product(*points)]
        unlimited.append(min((cycles, energy) for cycles, energy, _ in sums))
        least.append(min((cycles, energy) for cycles, energy, size in sums if size <= 4096 * macros))
    found = Mapper(soc).find(ops)
    assert (found.cycles, found.energy_pj) == min(least)
    # The number of macros that is best without a limit is not the best within it.
    assert least.index(min(least)) == found.choice != unlimited.index(min(unlimited))


def test_how_far_from_the_exact_knapsack() -> None:
    """Over 200 random cases of 2 to 8 segments with 2 to 5 mappings each; figures in
    docs/explanation/mapping.md."""
    rng = np.random.default_rng(0)
    gaps = []
    for _ in range(200):
        options = []
        for _ in range(rng.integers(2, 9)):
            slowest = point(int(rng.integers(50, 101)), 0)
            faster = zip(rng.integers(1, 50, 4), rng.integers(1, 30, 4), strict=True)
            options.append([slowest, *(point(int(cycles), int(size)) for cycles, size in faster)])
        most = sum(min(points, key=lambda one: one.key).weight_bytes for points in options)
        budget = int(rng.uniform(0.1, 0.9) * most)  # binding, and never nothing at all
        got = sum(one.cycles for one in within([Options.of(points, LATENCY) for points in options], budget))
        gaps.append(got / exact(options, budget) - 1)
    share = sum(gap == 0 for gap in gaps) / len(gaps)
    print(f"equal {share:.1%}, mean gap {np.mean(gaps):.2%}, worst {max(gaps):.0%}")
    assert min(gaps) >= 0
    assert share >= 0.8  # 81 %
    assert np.mean(gaps) <= 0.021  # 2.0 %
    assert max(gaps) <= 0.55  # 54 %, of four segments


def test_how_far_from_the_exact_knapsack_in_real_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks have dozens of segments, so that the one which does not fit whole weighs little."""
    seen: list[float] = []

    def watched(options: Sequence[Options], budget: float) -> list[Point]:
        taken = within(options, budget)
        best = exact([one.points for one in options], budget)
        seen.append(sum(one.cycles for one in taken) / best - 1)
        return taken

    monkeypatch.setattr("objectives.hardware.mapping.mapper.within", watched)
    space, rng = load_space("imagenet224"), np.random.default_rng(0)
    mapper = CostModel(load_soc("u55-256-cim1")).mapper
    for _ in range(6):
        steps = workload(space.decode(space.sample(rng)))
        mapper.find(ops_of(steps), read_again(steps))
    print(f"{len(seen)} networks, mean gap {np.mean(seen):.4%}, worst {max(seen):.4%}")
    assert len(seen) >= 4
    assert min(seen) >= -1e-12
    assert max(seen) <= 3e-4  # 0.029 %


@given(options=segments)
def test_more_room_never_costs_anything_at_the_ends(options: list[list[Point]]) -> None:
    nothing = within([Options.of(points, LATENCY) for points in options], 0)
    assert sum(one.cycles for one in nothing) == sum(points[0].cycles for points in options)


def test_hull_leaves_out_what_a_mixture_beats() -> None:
    points = [point(100, 0), point(90, 5), point(40, 10), point(40, 12), point(39, 11)]
    assert [points[index].weight_bytes for index in hull(points, LATENCY)] == [11, 10, 0]
