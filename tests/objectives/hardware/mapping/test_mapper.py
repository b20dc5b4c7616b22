"""Best mappings against brute force, conservation of work, and limits with a known answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, SoC, variant
from objectives.hardware.mapping.hand_over import IN_SRAM
from objectives.hardware.mapping.mapper import CapacityError, Mapper
from objectives.hardware.mapping.placement import FORBIDDEN, STAY, op_costs
from objectives.hardware.mapping.segment_solver import (
    Steps,
    all_points,
    solve,
)
from objectives.hardware.mapping.split_costs import macro_options, split_costs
from search_space.errors import H4HError, UnknownNameError
from tests.objectives.hardware.mapping.networks import (
    NO_HEADS,
    NPU_ONLY,
    SOC,
    TILES,
    alone,
    best,
    by_placement,
    changed,
    every_split,
    layers,
    mbconv,
    others,
    small,
    steps_of,
)


def every_path(steps: Steps, choice: int) -> list[tuple[float, float]]:
    """Cycles and energy of every mapping of a segment: recursion over all ways of its ops."""
    inputs = [steps.inputs, *(len(last) - 1 + IN_SRAM for last in steps.last)]
    tables = [
        [
            by_placement(np.broadcast_to(part, cycles.shape), matching, count)[choice].tolist()
            for part in (cycles, energy)
        ]
        for cycles, energy, matching, count in zip(
            steps.cycles, steps.energy_pj, steps.matching, inputs, strict=False
        )
    ]

    def following(index: int, placement: int) -> Iterator[tuple[float, float]]:
        if index == len(tables):
            yield 0.0, 0.0
            return
        cycles, energy = (table[placement] for table in tables[index])
        for split in range(len(cycles)):
            for mode in range(1 + steps.stays[index]):
                if cycles[split][mode] == FORBIDDEN:
                    continue
                # The last three placements are SRAM, by the devices that worked last.
                next_placement = split if mode == STAY else int(steps.last[index][split]) - 3
                for rest in following(index + 1, next_placement):
                    yield cycles[split][mode] + rest[0], energy[split][mode] + rest[1]

    return list(following(0, -1))


@settings(max_examples=20, deadline=None)
@given(op=layers)
def test_scan_equals_brute_force(op: Op) -> None:
    every = every_split(op, SOC)
    got, cheap = best(op, SOC), best(op, SOC, "energy")
    assert (got.cycles, got.energy_pj) == min(every)
    assert (cheap.cycles, cheap.energy_pj) == min(every, key=lambda pair: pair[::-1])


@settings(max_examples=12, deadline=None)
@given(ops=small, soc=st.sampled_from([SOC, NO_HEADS, TILES]))
def test_dynamic_programming_equals_brute_force(ops: list[Op], soc: SoC) -> None:
    choices = range(len(macro_options(soc)))
    paths = [[every_path(steps, choice) for choice in choices] for steps in steps_of(ops, soc)]
    for mapping, order in (("latency", (0, 1)), ("energy", (1, 0))):
        found = Mapper(soc, mapping).find(ops)
        totals = []
        for choice in choices:
            least = [min((path[order[0]], path[order[1]]) for path in each[choice]) for each in paths]
            totals.append([sum(values) for values in zip(*least, strict=True)])
        assert [(found.cycles, found.energy_pj)[index] for index in order] == min(totals)


@settings(max_examples=12, deadline=None)
@given(op=st.one_of(layers, others), soc=st.sampled_from([SOC, TILES]))
def test_mappings_of_one_movable_op_hold_the_best(op: Op, soc: SoC) -> None:
    for ops in ([op], [op, Op("add", 8, 8, 16, 16)]):
        for steps in steps_of(ops, soc):
            for choice in range(len(macro_options(soc))):
                one = steps.of_macros(choice)
                (best_of_all,) = solve(one, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
                points = all_points(one)
                assert points is not None
                assert min(points, key=lambda point: point.key).key == best_of_all.key


@settings(max_examples=8, deadline=None)
@given(ops=st.one_of(st.builds(mbconv, st.integers(2, 9), st.just(8), st.just(1), st.just(3))))
def test_least_product_equals_brute_force(ops: list[Op]) -> None:
    least = np.inf
    for choice in range(len(macro_options(SOC))):
        totals = [(0.0, 0.0)]
        for steps in steps_of(ops, SOC):
            totals = [(a + c, b + d) for a, b in totals for c, d in set(every_path(steps, choice))]
        least = min(least, min(cycles * energy for cycles, energy in totals))
    found = Mapper(SOC, "edp").find(ops)
    assert found.cycles * found.energy_pj == pytest.approx(least, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(op=layers)
def test_every_split_conserves_work(op: Op) -> None:
    (splits,) = split_costs([op], SOC)
    assert SOC.cim is not None
    costs = op_costs(None, splits, SOC)
    on_cim = op.out_channels - splits.channels
    # On one macro, weights take whole words, less than one more a channel.
    held = costs.weight_bytes[0, 0, :, 0] - op.weight_bytes / op.out_channels * on_cim
    assert (held >= 0).all()
    # Energy per multiply-accumulate is constant on each device, so the energies tell how many each does.
    each = op.macs / op.out_channels
    expected = each * (splits.channels * SOC.npu.mac_energy.value + on_cim * SOC.cim.mac_energy.value)
    np.testing.assert_allclose(costs.mac_pj[-1, 0, :, 0], expected, atol=1e-3)
    # What is sent is what the macros' share reads and writes.
    np.testing.assert_allclose(costs.noc_bytes[0, -1, :, 0], splits.received + splits.returned)


@settings(max_examples=12, deadline=None)
@given(ops=small, soc=st.sampled_from([SOC, TILES]), mapping=st.sampled_from(["latency", "energy", "edp"]))
def test_totals_are_exactly_the_sums_of_their_parts(ops: list[Op], soc: SoC, mapping: str) -> None:
    cost = CostModel(soc, mapping).network(ops)
    assert cost.latency_ms == sum(op.cycles for op in cost.ops) / soc.cycles_per_ms
    assert cost.energy_mj == sum(op.energy_pj for op in cost.ops) / 1e9
    assert cost.energy_mj * 1e9 == pytest.approx(
        sum(
            op.mac_pj + op.sram_pj + op.mram_pj + op.noc_pj + op.static_pj + op.handover_pj for op in cost.ops
        )
    )
    for op, part in zip(ops, cost.ops, strict=True):
        assert part.npu_channels + part.cim_channels == op.out_channels * (
            op.heads if op.kind in ("matmul", "softmax") else 1
        )
        assert (part.split == "") == (part.schema != "split")


@settings(max_examples=20, deadline=None)
@given(op=st.one_of(layers, others))
def test_npu_schema_costs_what_the_npu_alone_does(op: Op) -> None:
    forced = best(op, SOC, "npu")
    assert forced.schema == "npu"
    assert forced.cycles == pytest.approx(NPU_ONLY.npu.cycles([op])[0], abs=1e-3)
    alone_on_chip = best(op, NPU_ONLY)
    # Idle macros and their buffers leak: 8 x (0.026 + 0.0166) mW at 500 MHz.
    leaked = 8 * (0.026 + 0.0166) * 2 * forced.cycles
    assert forced.energy_pj == pytest.approx(alone_on_chip.energy_pj + leaked, abs=2e-3)
    assert replace(forced, static_pj=0.0) == replace(alone_on_chip, static_pj=0.0)


@settings(max_examples=10, deadline=None)
@given(ops=small)
def test_without_bandwidth_everything_stays_on_the_npu(ops: list[Op]) -> None:
    cut_off = changed(SOC, "noc", bandwidth=1e-9)
    cost = CostModel(cut_off).network(ops)
    assert {op.schema for op in cost.ops} == {"npu"}
    assert cost.latency_ms == CostModel(NPU_ONLY).network(ops).latency_ms


def test_with_macros_beyond_limit_everything_leaves_the_npu() -> None:
    fast = changed(SOC, "noc", bandwidth=1e12, router_cycles=0, link_cycles=0)
    fast = changed(fast, "cim", input_lanes=1e6, output_lanes=1e6, compute_units=1e6, weight_register=1e6)
    fast = changed(fast, "cim", port_bandwidth=1e12, read_time=1e-9, handover_cycles=0)
    fast = changed(fast, "npu", sram_bandwidth=1e12)
    assert best(Op("conv2d", 16, 16, 64, 64), fast).schema == "cim"


def test_free_transfers_give_the_analytic_ratio() -> None:
    # A compute-bound layer and free transfers: both devices are linear in channels but for the NPU's
    # fixed costs, so the share of the macros is that of their rate.
    free = changed(SOC, "noc", bandwidth=1e12, router_cycles=0, link_cycles=0)
    free = changed(free, "cim", port_bandwidth=1e12, handover_cycles=0)
    op = Op("conv2d", 56, 56, 256, 1024)
    cost = best(op, free)
    npu_rate = op.macs / alone(op, 1024, free).cycles
    cim_rate = op.macs / alone(op, 0, free).cycles
    assert cost.cim_channels / 1024 == pytest.approx(cim_rate / (cim_rate + npu_rate), abs=8 / 1024)
    assert cost.cycles == pytest.approx(op.macs / (cim_rate + npu_rate), rel=0.02)


@settings(max_examples=8, deadline=None)
@given(
    ops=small,
    section_and_name=st.sampled_from(
        [("noc", "bandwidth"), ("cim", "compute_units"), ("cim", "accumulators"), ("cim", "buffer")]
    ),
)
def test_more_is_never_slower(ops: list[Op], section_and_name: tuple[str, str]) -> None:
    section, name = section_and_name
    socs = [changed(SOC, section, **{name: value}) for value in (1.0, 2.0, 4.0, 8.0)]
    times = [CostModel(soc).network(ops).latency_ms for soc in socs]
    assert times == sorted(times, reverse=True)


@settings(max_examples=8, deadline=None)
@given(ops=small, soc=st.sampled_from([SOC, TILES]))
def test_more_macros_are_never_slower(ops: list[Op], soc: SoC) -> None:
    times = [CostModel(variant(soc, macros=macros)).network(ops).latency_ms for macros in (0, 1, 2, 4, 8, 16)]
    assert times == sorted(times, reverse=True)


@settings(max_examples=8, deadline=None)
@given(ops=small)
def test_more_hops_are_never_faster(ops: list[Op]) -> None:
    assert SOC.noc is not None
    noc, times = SOC.noc, []
    for factor in (1, 2, 4):
        tiles = [(x * factor, y * factor) for x, y in noc.tiles]
        far = replace(noc, npu=tiles[0], sram=tiles[1], macros=tuple(tiles[2:]))
        times.append(CostModel(replace(SOC, noc=far)).network(ops).latency_ms)
    assert times == sorted(times)


@settings(max_examples=10, deadline=None)
@given(ops=small, soc=st.sampled_from([SOC, TILES]))
def test_best_is_no_worse_than_every_forced_one(ops: list[Op], soc: SoC) -> None:
    costs = {name: CostModel(soc, name).network(ops) for name in ("latency", "energy", "edp", "npu", "cim")}
    for cost in costs.values():
        assert costs["latency"].latency_ms <= cost.latency_ms
        assert costs["energy"].energy_mj <= cost.energy_mj
        product = cost.latency_ms * cost.energy_mj
        assert costs["edp"].latency_ms * costs["edp"].energy_mj <= product * (1 + 1e-12)
    assert all(op.npu_channels == 0 for op in costs["cim"].ops if op.cim_weight_bytes)


@settings(max_examples=10, deadline=None)
@given(ops=small, soc=st.sampled_from([SOC, TILES]))
def test_lower_bounds_hold(ops: list[Op], soc: SoC) -> None:
    assert soc.cim is not None
    cost = CostModel(soc).network(ops)
    rates = soc.npu.peak_macs_per_cycle + soc.cim.peak(soc.clock_mhz)
    energies = [soc.npu.mac_energy.value, soc.cim.mac_energy.value]
    if soc.digital is not None:
        rates += 8 * soc.digital.mac_rate.value
        energies.append(soc.digital.mac_energy.value)
    macs = sum(op.macs for op in ops)
    assert sum(op.cycles for op in cost.ops) >= macs / rates
    assert cost.energy_mj * 1e9 >= macs * min(energies) * (1 - 1e-9)
    assert soc.noc is not None
    for op in cost.ops:
        # The busiest link carries all of a map, or all but a macro's own share in an exchange.
        assert op.cycles >= op.noc_bytes / soc.noc.bandwidth.value * 0.5 - 1e-3


def test_what_does_not_fit_when_forced_is_refused() -> None:
    op = Op("linear", 64, 1, 2048, 2048)
    with pytest.raises(CapacityError, match=r"mapping 'cim' needs 4096\.0 KiB of weights.*hold 1024 KiB"):
        CostModel(SOC, "cim").network([op])
    assert CostModel(SOC).network([op]).cim_weight_bytes <= 2**20
    with pytest.raises(H4HError, match="'cim' needs macros"):
        CostModel(NPU_ONLY, "cim")
    with pytest.raises(UnknownNameError, match="unknown mapping 'fast'"):
        CostModel(SOC, "fast")
