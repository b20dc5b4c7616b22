"""Fronts of many segments against those found one by one, and merged fronts against brute force."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op
from objectives.hardware.mapping.corners import Corner, lower_hull, minkowski_sum, pruned
from objectives.hardware.mapping.device_choice import CAPACITY, ENERGY, LATENCY, Weights
from objectives.hardware.mapping.fronts import FrontTask, fronts
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.segment_fronts import SegmentFronts
from objectives.hardware.mapping.segment_solver import op_contexts, supported
from tests.objectives.hardware.mapping.networks import SOC, TILES, attention, mbconv, steps_of

STEP = Op("conv2d", 8, 8, 16, 24, 2, 2)
NETWORKS = [
    [*mbconv(8, 16, 2, 3), *mbconv(9, 24, 3, 5)],
    [STEP, *mbconv(4, 24, 4, 5), *attention(16, 24, 2)],
    [Op("conv2d", 9, 9, 16, 40, 3), STEP, Op("linear", 16, 1, 24, 48, fused_gelu=True), *mbconv(4, 24, 2, 3)],
]

corners = st.lists(
    st.builds(Corner, *(st.integers(0, 40).map(float) for _ in range(3))), min_size=1, max_size=8
).map(lower_hull)


@pytest.mark.parametrize("pair", [(LATENCY, CAPACITY), (ENERGY, CAPACITY), (LATENCY, ENERGY)])
def test_together_as_one_by_one(pair: tuple[Weights, Weights]) -> None:
    segments = [
        steps.of_macros(choice) for ops in NETWORKS for steps in steps_of(ops, SOC) for choice in (0, 3)
    ]
    together = fronts([FrontTask(steps) for steps in segments], *pair)
    one_by_one = [np.array([point.key for point in supported(steps, *pair)]) for steps in segments]
    assert max(len(front) for front in together) > 2
    assert [front.tolist() for front in together] == [front.tolist() for front in one_by_one]


@pytest.mark.parametrize("mapping", ["latency", "energy"])
@pytest.mark.parametrize("soc", [SOC, TILES], ids=["mram", "tiles"])
def test_options_of_segments_with_parts_are_those_of_the_mapper(mapping: str, soc: object) -> None:
    """The map that a block adds at its end is in SRAM, so the segment falls into parts before the block."""
    assert soc in (SOC, TILES)
    chip = SOC if soc is SOC else TILES
    merged, whole = Mapper(chip, mapping), Mapper(chip, mapping)
    ops = [STEP, *mbconv(4, 24, 2, 3)]
    (segment,) = whole.segments(ops, read_again=[0])
    assert segment.stays[0] is False
    contexts = tuple(op_contexts(segment.ops, segment.stays))
    for choice in (0, 3):
        (options,) = SegmentFronts(merged).options([contexts], choice)
        expected = whole._options(segment, choice, CRITERIA[mapping][0])
        assert [point.key for point in options.points] == [point.key for point in expected.points]
        assert options.hull.tolist() == expected.hull.tolist()
        assert options.prices.tolist() == expected.prices.tolist()
    assert len(merged.known.fronts.parts) > 2  # several ways through the map between the parts


@given(first=corners, second=corners)
def test_sums_of_fronts_are_the_hull_of_all_sums(first: list[Corner], second: list[Corner]) -> None:
    sums = [
        Corner(one.cost + other.cost, one.size + other.size, one.other + other.other)
        for one, other in product(first, second)
    ]
    assert lower_hull(minkowski_sum(first, second)) == lower_hull(sums)


@given(corners=st.lists(st.builds(Corner, *(st.integers(0, 12).map(float) for _ in range(3))), min_size=1))
def test_hull_holds_what_no_mixture_beats(corners: list[Corner]) -> None:
    hull = lower_hull(corners)
    cheapest = min(corners, key=lambda corner: (corner.cost, corner.size, corner.other))
    smallest = min(corners, key=lambda corner: (corner.size, corner.cost, corner.other))
    assert (hull[0], hull[-1]) == (cheapest, smallest)
    for one, other in pairwise(hull):  # none lies below the line between two neighbours
        assert one.cost < other.cost
        assert one.size > other.size
        for corner in corners:
            rise, fall = other.cost - one.cost, one.size - other.size
            assert corner.cost * fall + corner.size * rise >= one.cost * fall + one.size * rise
    for left, middle, right in combinations(hull, 3):  # and none of the hull on the line between others
        rise, fall = right.cost - left.cost, left.size - right.size
        assert middle.cost * fall + middle.size * rise < left.cost * fall + left.size * rise


def test_corners_that_lie_on_the_chord_but_for_rounding_are_left_out() -> None:
    near = [
        Corner(1e9, 2048.0, 0.0),
        Corner(1e9 + 1000.0 - 1 / 1024, 1024.0, 0.0),
        Corner(1e9 + 2000, 0.0, 0.0),
    ]
    assert pruned(near, tolerance=0.0) == near
    assert pruned(near) == [near[0], near[2]]
    far = [near[0], near[1]._replace(cost=1e9 + 900.0), near[2]]
    assert pruned(far) == far
