"""The budget of weight bytes against an exact knapsack."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware.capacity import Options, hull, within
from objectives.hardware.segment import LATENCY, Point


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


def exact(options: list[list[Point]], budget: int) -> float:
    """Least cycles by knapsack dynamic programming over bytes."""
    least = [0.0] * (budget + 1)
    for points in options:
        least = [
            min(least[left - int(one.macro_bytes)] + one.cycles for one in points if one.macro_bytes <= left)
            for left in range(budget + 1)
        ]
    return least[budget]


@given(options=segments, budget=st.integers(0, 40))
def test_against_an_exact_knapsack(options: list[list[Point]], budget: int) -> None:
    taken = within([Options.of(points, LATENCY) for points in options], budget)
    assert all(one in points for one, points in zip(taken, options, strict=True))
    assert sum(one.macro_bytes for one in taken) <= budget
    got, best = sum(one.cycles for one in taken), exact(options, budget)
    assert got >= best
    # A relaxed knapsack is off by no more than what one segment gains.
    assert got - best <= max(points[0].cycles - min(one.cycles for one in points) for points in options)
    if sum(min(points, key=lambda one: one.key).macro_bytes for points in options) <= budget:
        assert got == best


@given(options=segments)
def test_more_room_never_costs_anything_at_the_ends(options: list[list[Point]]) -> None:
    nothing = within([Options.of(points, LATENCY) for points in options], 0)
    assert sum(one.cycles for one in nothing) == sum(points[0].cycles for points in options)


def test_hull_leaves_out_what_a_mixture_beats() -> None:
    points = [point(100, 0), point(90, 5), point(40, 10), point(40, 12), point(39, 11)]
    assert [points[index].macro_bytes for index in hull(points, LATENCY)] == [11, 10, 0]
