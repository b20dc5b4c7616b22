"""The split scan against brute force, conservation of work, and limits in which the answer is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, SoC, load_soc
from objectives.hardware.mapping import OpCost, candidates, npu_channel_options, schema_costs
from objectives.hardware.op import OpArrays

SOC = load_soc("u55-256-cim8")
NPU_ONLY = load_soc("u55-256")

sides, channels = st.integers(1, 32), st.integers(1, 160)
layers = st.one_of(
    st.builds(Op, st.just("conv2d"), sides, sides, channels, channels, st.sampled_from([1, 3])),
    st.builds(
        lambda side, count, kernel, stride: Op("depthwise", side, side, count, count, kernel, stride),
        sides,
        channels,
        st.sampled_from([3, 5]),
        st.integers(1, 2),
    ),
    st.builds(
        lambda tokens, a, b, gelu: Op("linear", tokens, 1, a, b, fused_gelu=gelu),
        st.integers(1, 200),
        channels,
        channels,
        st.booleans(),
    ),
    st.builds(
        lambda tokens, a, heads, dim: Op("linear", tokens, 1, a, 3 * heads * dim, heads=heads),
        st.integers(1, 200),
        channels,
        st.integers(2, 6),
        st.sampled_from([8, 12, 16]),
    ),
)
others = st.sampled_from(
    [
        Op("matmul", 64, 1, 16, 64, heads=4),
        Op("softmax", 64, 1, 64, 64, heads=4),
        Op("norm", 64, 1, 48, 48),
        Op("activation", 64, 1, 48, 48),
        Op("add", 8, 8, 48, 48),
        Op("pool", 8, 8, 48, 48, kernel=8, stride=8),
    ]
)


def changed(soc: SoC, section: str, **values: float) -> SoC:
    """`soc` with other numbers in one section."""
    part: Any = getattr(soc, section)
    new = {
        name: replace(getattr(part, name), value=value, low=value, high=value)
        for name, value in values.items()
    }
    return replace(soc, **{section: replace(part, **new)})


def best(op: Op, soc: SoC) -> OpCost:
    (table,) = candidates([op], soc)
    return table.row(int(table.ranking()[0]))


def alone(op: Op, npu_channels: int, soc: SoC) -> OpCost:
    """One schema, costed by itself."""
    return schema_costs(OpArrays.of([op]), np.array([float(npu_channels)]), soc).row(0)


@given(op=layers)
def test_scan_equals_brute_force(op: Op) -> None:
    got = best(op, SOC)
    step = 8 if op.heads == 1 else op.out_channels // op.heads
    every = [alone(op, channel, SOC) for channel in [*range(0, op.out_channels, step), op.out_channels]]
    expected = min(every, key=lambda cost: (cost.cycles, cost.energy_pj, cost.cim_weight_bytes))
    assert got == expected


@given(op=layers)
def test_best_is_no_worse_than_either_device(op: Op) -> None:
    cost = best(op, SOC)
    assert cost.cycles <= alone(op, op.out_channels, SOC).cycles
    assert cost.cycles <= alone(op, 0, SOC).cycles


@given(op=layers)
def test_every_split_conserves_work(op: Op) -> None:
    (table,) = candidates([op], SOC)
    per_channel = op.weight_bytes / op.out_channels
    np.testing.assert_array_equal(table.npu_channels + table.cim_channels, op.out_channels)
    np.testing.assert_allclose(table.cim_weight_bytes, per_channel * table.cim_channels)
    assert SOC.cim is not None
    # Energy per multiply-accumulate is constant on each device, so the energies tell how many each does.
    npu_macs = table.npu_channels * op.macs / op.out_channels
    cim_macs = table.cim_channels * op.macs / op.out_channels
    expected = npu_macs * SOC.npu.mac_energy.value + cim_macs * SOC.cim.mac_energy.value
    np.testing.assert_allclose(table.mac_pj, expected)


@given(op=st.one_of(layers, others))
def test_totals_are_sums_of_parts(op: Op) -> None:
    (table,) = candidates([op], SOC)
    for index in range(len(table.cycles)):
        cost = table.row(index)
        assert cost.cycles == table.cycles[index]
        assert cost.energy_pj == table.energy_pj[index]
        parts = (cost.mac_pj, cost.sram_pj, cost.mram_pj, cost.noc_pj, cost.static_pj)
        assert cost.energy_pj == pytest.approx(sum(parts))
        assert all(part >= 0 for part in parts)


@given(op=st.one_of(layers, others))
def test_npu_schema_costs_what_the_npu_alone_does(op: Op) -> None:
    (table,) = candidates([op], SOC)
    last = table.row(len(table.cycles) - 1)
    assert last.schema == "npu"
    assert last.cycles == NPU_ONLY.npu.cycles([op])[0]
    assert last == best(op, NPU_ONLY)


@given(op=others)
def test_ops_without_weights_stay_on_the_npu(op: Op) -> None:
    assert npu_channel_options(op, SOC).tolist() == [op.out_channels]


def test_batch_equals_one_by_one() -> None:
    ops = [Op("conv2d", 8, 8, 16, 40), Op("add", 8, 8, 40, 40), Op("depthwise", 8, 8, 40, 40, kernel=3)]
    for table, op in zip(candidates(ops, SOC), ops, strict=True):
        (single,) = candidates([op], SOC)
        np.testing.assert_array_equal(table.cycles, single.cycles)
        np.testing.assert_array_equal(table.energy_pj, single.energy_pj)
    assert candidates([], SOC) == []


def test_projection_is_split_in_whole_heads() -> None:
    qkv = Op("linear", 64, 1, 64, 3 * 4 * 16, heads=4)
    assert npu_channel_options(qkv, SOC).tolist() == [0, 48, 96, 144, 192]


def test_channels_are_split_in_eights() -> None:
    assert npu_channel_options(Op("conv2d", 8, 8, 8, 20), SOC).tolist() == [0, 8, 16, 20]


def test_transfer_carries_input_and_output_of_the_moved_part() -> None:
    conv = alone(Op("conv2d", 8, 8, 32, 64), 16, SOC)  # all input channels, 48 output channels
    # 3 hops of 3 cycles; a multicast uses 8 links, what comes back crosses 2 on average.
    assert conv.transfer_cycles == (9 + 64 * 32 / 8) + (9 + 64 * 48 / 8)
    assert conv.noc_pj == pytest.approx((64 * 32 * 8 + 64 * 48 * 2) * 0.3)
    depthwise = alone(Op("depthwise", 8, 8, 64, 64, kernel=3), 16, SOC)  # its own channels only
    assert depthwise.transfer_cycles == 2 * (9 + 64 * 48 / 8)
    assert alone(Op("conv2d", 8, 8, 32, 64), 64, SOC).transfer_cycles == 0


def test_gelu_of_the_macros_part_runs_on_the_npu_afterwards() -> None:
    op = Op("linear", 64, 1, 64, 128, fused_gelu=True)
    cost = alone(op, 32, SOC)
    assert cost.tail_cycles == SOC.npu.activation_cycles.value * 64 * 96
    assert cost.cycles == max(cost.npu_cycles, cost.cim_cycles + cost.transfer_cycles) + cost.tail_cycles


def test_without_bandwidth_everything_stays_on_the_npu() -> None:
    cut_off = changed(SOC, "noc", bandwidth=1e-9)
    for op in (Op("conv2d", 16, 16, 64, 64), Op("depthwise", 16, 16, 64, 64, kernel=3)):
        assert best(op, cut_off).schema == "npu"


def test_with_macros_beyond_limit_everything_leaves_the_npu() -> None:
    assert SOC.cim is not None
    fast = changed(SOC, "noc", bandwidth=1e12, router_cycles=0, link_cycles=0)
    fast = changed(fast, "cim", unit_rate=10**9, port_bandwidth=1e12, read_time=1e-9)
    assert best(Op("conv2d", 16, 16, 64, 64), fast).schema == "cim"


def test_free_transfers_give_the_analytic_ratio() -> None:
    # A compute-bound layer and free transfers: both devices are linear in channels but for the NPU's
    # fixed costs, so the share of the macros is that of their rate.
    free = changed(
        changed(SOC, "noc", bandwidth=1e12, router_cycles=0, link_cycles=0), "cim", port_bandwidth=1e12
    )
    op = Op("conv2d", 56, 56, 256, 1024)
    cost = best(op, free)
    npu_rate = op.macs / alone(op, 1024, free).cycles
    cim_rate = op.macs / alone(op, 0, free).cycles
    assert cost.cim_channels / 1024 == pytest.approx(cim_rate / (cim_rate + npu_rate), abs=8 / 1024)
    assert cost.cycles == pytest.approx(op.macs / (cim_rate + npu_rate), rel=0.02)


@given(
    op=layers,
    section_and_name=st.sampled_from([("noc", "bandwidth"), ("cim", "compute_units")]),
)
def test_more_is_never_slower(op: Op, section_and_name: tuple[str, str]) -> None:
    section, name = section_and_name
    times = [best(op, changed(SOC, section, **{name: value})).cycles for value in (1.0, 2.0, 4.0, 8.0)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(times))


@given(op=layers)
def test_more_hops_are_never_faster(op: Op) -> None:
    times = [best(op, changed(SOC, "noc", link_cycles=hop)).cycles for hop in (1.0, 2.0, 4.0)]
    assert times == sorted(times)


@given(op=layers)
def test_lower_bounds_hold(op: Op) -> None:
    assert SOC.cim is not None
    cost = best(op, SOC)
    assert cost.cycles >= op.macs / (SOC.npu.peak_macs_per_cycle + SOC.cim.peak_macs_per_cycle)
    assert cost.energy_pj >= op.macs * min(SOC.npu.mac_energy.value, SOC.cim.mac_energy.value)
