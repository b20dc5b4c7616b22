"""Network-on-chip against counts by hand, and monotonicity in hops and sharing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import load_soc
from objectives.hardware.parts.noc import Flow, Noc, Pattern, bus_pattern, hops, mesh_pattern, route, tree

SOC = load_soc("u55-256-cim8")
assert SOC.noc is not None
NOC: Noc = SOC.noc

tiles = st.tuples(st.integers(0, 6), st.integers(0, 6))


def test_time_and_energy_in_closed_form() -> None:
    moved = np.array([0.0, 1.0, 1000.0])
    pattern = Pattern(hops=2, load=1.0, links=5.0)
    np.testing.assert_allclose(NOC.cycles(pattern, moved), [0, 2 * 3 + 1 / 8, 2 * 3 + 125])
    np.testing.assert_allclose(NOC.energy_pj(pattern, moved), [0, 5 * 0.3, 5 * 0.3 * 1000])


def test_traffic_of_the_built_in_floor_plan_counted_by_hand() -> None:
    # Eight macros at 1, 1, 2, 2, 2, 2, 3, 3 hops; every macro has a branch of its own at the tree's end.
    eight = NOC.traffic(8)
    assert eight.multicast == Pattern(hops=3, load=1.0, links=8.0)
    assert eight.gather == eight.scatter == Pattern(hops=3, load=1.0, links=2.0)
    assert (eight.exchange.hops, eight.exchange.load) == (5, 7 / 8)  # all but its own enters a macro
    one = NOC.traffic(1)
    assert one.multicast == one.gather == Pattern(hops=1, load=1.0, links=1.0)
    assert one.exchange == Pattern(hops=0, load=0.0, links=0.0)


def test_contention_on_a_shared_link() -> None:
    # Three macros in a row behind one link; SRAM is not at its end, so only the link is shared.
    flows = [Flow((x, 0), ((0, x),), 1 / 3) for x in (1, 2, 3)]
    assert mesh_pattern(flows).load == pytest.approx(1.0)  # all pass from (1, 0) to (0, 0)
    apart = [Flow((x, 0), ((x, 1),), 1 / 3) for x in (1, 2, 3)]
    assert mesh_pattern(apart).load == pytest.approx(1 / 3)


def test_a_bus_carries_one_transfer_at_a_time() -> None:
    flows = [Flow((x, 0), ((0, 0),), 0.5) for x in (1, 2)]
    assert bus_pattern(flows, length=2) == Pattern(hops=1, load=1.0, links=2.0)
    bus = replace(NOC, topology="bus").traffic(8)
    assert bus.exchange.load == pytest.approx(1.0)
    assert bus.multicast.links == 5  # the wire reaches from (0, 0) to (4, 1)


@given(start=tiles, ends=st.lists(tiles, min_size=1, max_size=6))
def test_a_tree_is_no_more_than_its_paths_and_no_less_than_the_longest(
    start: tuple[int, int], ends: list[tuple[int, int]]
) -> None:
    branches = tree(start, ends)
    lengths = [len(list(route(start, end))) for end in ends]
    assert lengths == [hops(start, end) for end in ends]
    assert max(lengths) <= len(branches) <= sum(lengths)


@given(macros=st.lists(tiles.filter(lambda tile: tile != (3, 3)), min_size=1, max_size=8, unique=True))
def test_bytes_sent_are_received(macros: list[tuple[int, int]]) -> None:
    traffic = replace(NOC, npu=(9, 9), sram=(3, 3), macros=tuple(macros)).traffic(len(macros))
    mean_hops = sum(hops((3, 3), tile) for tile in macros) / len(macros)
    assert traffic.gather.links == pytest.approx(mean_hops)
    assert traffic.scatter.links == pytest.approx(mean_hops)
    assert traffic.multicast.load == 1  # leaves SRAM once
    assert traffic.gather.load == pytest.approx(1)  # all of it enters SRAM
    assert traffic.exchange.load >= (len(macros) - 1) / len(macros) - 1e-12


@given(factor=st.integers(1, 5), moved=st.floats(1, 1e6))
def test_farther_is_never_faster_nor_cheaper(factor: int, moved: float) -> None:
    def stretched(tile: tuple[int, int]) -> tuple[int, int]:
        return (tile[0] * factor, tile[1] * factor)

    assert NOC.npu is not None
    far = replace(
        NOC, npu=stretched(NOC.npu), sram=stretched(NOC.sram), macros=tuple(map(stretched, NOC.macros))
    )
    size = np.array([moved])
    for name in ("multicast", "scatter", "gather", "exchange"):
        near_way, far_way = getattr(NOC.traffic(8), name), getattr(far.traffic(8), name)
        assert far.cycles(far_way, size)[0] >= NOC.cycles(near_way, size)[0]
        assert far.energy_pj(far_way, size)[0] >= NOC.energy_pj(near_way, size)[0]
