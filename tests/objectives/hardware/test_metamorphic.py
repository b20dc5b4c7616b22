"""Relations between costs of networks and chips that hold without knowing any cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, SoC
from objectives.workload import ops_of, workload
from search_space.space import load_space
from tests.objectives.hardware.mapping.networks import NPU_ONLY, SOC, attention, changed, mbconv

SPACE = load_space("cifar32")
RESOURCES = (
    *(("noc", "bandwidth"), ("npu", "sram_bandwidth"), ("cim", "compute_units"), ("cim", "input_lanes")),
    *(
        ("cim", "output_lanes"),
        ("cim", "accumulators"),
        ("cim", "input_registers"),
        ("cim", "port_bandwidth"),
    ),
    *(("cim", "capacity"), ("cim", "buffer")),
)
seeds = st.integers(0, 2**32 - 1)


def network(seed: int) -> tuple[Op, ...]:
    """Operations of a random network."""
    subnet = SPACE.decode(SPACE.sample(np.random.default_rng(seed)))
    return ops_of(workload(subnet))


def with_macros_at(tiles: list[tuple[int, int]], npu: tuple[int, int], sram: tuple[int, int]) -> SoC:
    assert SOC.noc is not None
    return replace(SOC, noc=replace(SOC.noc, npu=npu, sram=sram, macros=tuple(tiles)))


@settings(max_examples=4, deadline=None)
@given(first=seeds, second=seeds)
def test_networks_one_after_the_other_cost_the_sum_on_the_npu(first: int, second: int) -> None:
    # With macros they would share the capacity, and hand maps over to each other.
    model = CostModel(NPU_ONLY)
    parts = [model.network(network(seed)) for seed in (first, second)]
    whole = model.network(network(first) + network(second))
    assert whole.latency_ms == pytest.approx(sum(part.latency_ms for part in parts), rel=1e-12)
    assert whole.energy_mj == pytest.approx(sum(part.energy_mj for part in parts), rel=1e-12)


@settings(max_examples=10, deadline=None)
@given(
    block=st.one_of(
        st.builds(mbconv, st.integers(2, 16), st.sampled_from([8, 16, 40]), st.integers(1, 4), st.just(3)),
        st.builds(attention, st.sampled_from([4, 16, 49]), st.sampled_from([16, 24]), st.integers(1, 3)),
    ),
    depth=st.integers(2, 5),
)
def test_equal_blocks_cost_as_often_as_they_stand(block: list[Op], depth: int) -> None:
    model = CostModel(NPU_ONLY)
    one, many = model.network(block), model.network(block * depth)
    assert many.latency_ms == pytest.approx(depth * one.latency_ms, rel=1e-12)
    assert many.energy_mj == pytest.approx(depth * one.energy_mj, rel=1e-12)


@settings(max_examples=4, deadline=None)
@given(
    seed=seeds,
    first=st.permutations(range(2)),
    second=st.permutations(range(2, 4)),
    third=st.permutations(range(4, 8)),
)
def test_permuted_macros_at_equal_hops_cost_the_same(
    seed: int, first: list[int], second: list[int], third: list[int]
) -> None:
    # 1, 2, 4 or 8 macros are in use. The first two mirror each other, as NPU and SRAM stand between them.
    assert SOC.noc is not None
    assert SOC.noc.npu is not None
    tiles = [SOC.noc.macros[place] for place in (*first, *second, *third)]
    permuted = CostModel(with_macros_at(tiles, SOC.noc.npu, SOC.noc.sram)).network(network(seed))
    expected = CostModel(SOC).network(network(seed))
    assert permuted.latency_ms == expected.latency_ms
    assert permuted.energy_mj == pytest.approx(expected.energy_mj, rel=1e-12)


@settings(max_examples=4, deadline=None)
@given(seed=seeds, right=st.integers(0, 3), up=st.integers(0, 3), is_mirrored=st.booleans())
def test_floor_plan_may_be_moved_and_mirrored(seed: int, right: int, up: int, is_mirrored: bool) -> None:
    assert SOC.noc is not None

    def moved(tile: tuple[int, int]) -> tuple[int, int]:
        return (4 - tile[0] if is_mirrored else tile[0]) + right, tile[1] + up

    noc = SOC.noc
    assert noc.npu is not None
    soc = with_macros_at([moved(tile) for tile in noc.macros], moved(noc.npu), moved(noc.sram))
    ops = network(seed)
    assert CostModel(soc).network(ops).latency_ms == CostModel(SOC).network(ops).latency_ms


@settings(max_examples=8, deadline=None)
@given(seed=seeds, resource=st.sampled_from(RESOURCES), doublings=st.integers(1, 3))
def test_more_of_any_resource_never_costs_time(seed: int, resource: tuple[str, str], doublings: int) -> None:
    section, name = resource
    amount = getattr(getattr(SOC, section), name).value * 2**doublings
    ops = network(seed)
    richer = CostModel(changed(SOC, section, **{name: amount})).network(ops)
    assert richer.latency_ms <= CostModel(SOC).network(ops).latency_ms * (1 + 1e-12)


def test_farther_macros_cost_more() -> None:
    # The relations above would hold of a model without any network.
    assert SOC.noc is not None
    assert SOC.noc.npu is not None
    far = [(x + 20, y) for x, y in SOC.noc.macros]
    ops = network(0)
    assert (
        CostModel(with_macros_at(far, SOC.noc.npu, SOC.noc.sram), "cim").network(ops).latency_ms
        > CostModel(SOC, "cim").network(ops).latency_ms
    )
