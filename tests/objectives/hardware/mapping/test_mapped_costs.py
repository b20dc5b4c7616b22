"""Many networks mapped at once against one by one, on random segments and on random networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import Op, SoC
from objectives.hardware.mapping.capacity import Options, within
from objectives.hardware.mapping.device_choice import LATENCY
from objectives.hardware.mapping.mapped_costs import MappedCosts
from objectives.hardware.mapping.mapper import CapacityError, Mapper, least_product
from objectives.hardware.mapping.product_mapping import _SegmentHulls
from objectives.hardware.mapping.segment_options import SegmentOptions
from objectives.hardware.mapping.segment_solver import Point
from tests.objectives.hardware.mapping.networks import SOC, attention, mbconv


def with_capacity(kib: float) -> SoC:
    assert SOC.cim is not None
    return replace(SOC, cim=replace(SOC.cim, capacity=replace(SOC.cim.capacity, value=kib, low=kib)))


def point(cycles: int, energy_pj: int, size: int) -> Point:
    return Point(float(cycles), float(energy_pj), float(size), ())


numbers = st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=6), min_size=1, max_size=4)
segments = st.lists(
    st.builds(
        lambda slowest, others: [point(slowest, 0, 0), *others],
        st.integers(20, 60),
        st.lists(st.builds(point, st.integers(1, 40), st.integers(0, 9), st.integers(1, 12)), max_size=6),
    ),
    min_size=5,
    max_size=5,
)


def padded(networks: list[list[int]]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    table = np.zeros((len(networks), max(map(len, networks)) + 1), dtype=np.int64)
    for row, own in zip(table, networks, strict=True):
        row[: len(own)] = own
    return table


@given(each=segments, networks=numbers, budget=st.integers(0, 60))
def test_capacity_is_shared_as_for_one_network(
    each: list[list[Point]], networks: list[list[int]], budget: int
) -> None:
    options = [Options.of(points, LATENCY) for points in each]
    table = SegmentOptions(0)
    rows = padded(networks)
    new = table.missing(rows)
    table.add(new, [options[number - 1] for number in new])
    got = table.within(rows, budget)
    for costs, own in zip(got, networks, strict=True):
        taken = within([options[number - 1] for number in own], budget)
        assert costs.tolist() == [sum(values) for values in zip(*(one.key for one in taken), strict=True)]


hulls = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=4).map(
        # From an edge that saves much energy a cycle to one that saves little.
        lambda edges: sorted(edges, key=lambda edge: edge[0] / edge[1])
    ),
    min_size=5,
    max_size=5,
)


@given(edges=hulls, networks=numbers)
def test_products_are_least_as_for_one_network(
    edges: list[list[tuple[int, int]]], networks: list[list[int]]
) -> None:
    each = []
    for number, own in enumerate(edges):
        points = [point(5 + number, 60, number)]
        for cycles, energy in own:
            last = points[-1]
            points.append(Point(last.cycles + cycles, last.energy_pj - energy, last.weight_bytes + 1, ()))
        each.append(points)
    rows, table = padded(networks), _SegmentHulls()
    new = table.places.missing(rows)
    table.add(new, [np.array([one.key for one in each[number - 1]]) for number in new])
    for costs, network_segments in zip(table.least_product(rows), networks, strict=True):
        taken = least_product([each[number - 1] for number in network_segments])
        assert costs.tolist() == [sum(values) for values in zip(*(one.key for one in taken), strict=True)]


def network(widths: list[int], tokens: int) -> tuple[list[Op], list[int]]:
    """A stem, blocks with a residual, and attention; indices of the maps that are read again."""
    ops = [Op("conv2d", 8, 8, 3, widths[0], 3)]
    read_again = []
    for index, width in enumerate(widths):
        if index:
            ops.append(Op("conv2d", 8, 8, widths[index - 1], width))
        read_again.append(len(ops) - 1)
        ops += mbconv(8, width, 2, 3)
    return [*ops, *attention(tokens, 16, 2)], read_again


@settings(max_examples=6, deadline=None)
@given(
    widths=st.lists(st.lists(st.sampled_from([8, 16, 24]), min_size=1, max_size=3), min_size=1, max_size=3),
    kib=st.sampled_from([0.25, 0.5, 1.0]),
    mapping=st.sampled_from(["latency", "energy", "edp"]),
)
def test_networks_above_the_capacity_cost_what_they_cost_one_by_one(
    widths: list[list[int]], kib: float, mapping: str
) -> None:
    soc = with_capacity(kib)
    networks = [network(own, 16) for own in widths]
    got = MappedCosts(Mapper(soc, mapping))([ops for ops, _ in networks], [again for _, again in networks])
    mapper = Mapper(soc, mapping)
    expected = [mapper.find(*one) for one in networks]
    assert got.tolist() == [[one.cycles, one.energy_pj, one.weight_bytes] for one in expected]
    assert all(one.weight_bytes <= 8 * 1024 * kib for one in expected)


def test_the_networks_of_the_test_exceed_the_capacity() -> None:
    ops, again = network([8, 16, 24], 16)
    free = Mapper(SOC, "latency").find(ops, again).weight_bytes
    assert free > 8 * 1024  # the largest of the budgets


def test_no_networks() -> None:
    for mapping in ("latency", "edp", "npu"):
        assert MappedCosts(Mapper(SOC, mapping))([], []).shape == (0, 3)


def test_forced_onto_macros_that_are_too_small() -> None:
    ops = [Op("conv2d", 8, 8, 64, 64, 3)]
    with pytest.raises(CapacityError, match="mapping 'cim' needs"):
        MappedCosts(Mapper(with_capacity(1), "cim"))([ops], [()])
