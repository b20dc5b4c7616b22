"""Best mappings against brute force, conservation of work, and limits with a known answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, OpCost, SoC, load_soc, variant
from objectives.hardware.cost_model import _op_cost
from objectives.hardware.mapping.hand_over import last_devices
from objectives.hardware.mapping.mapper import CapacityError, Mapper
from objectives.hardware.mapping.op_splits import channel_options, macro_options, split_costs
from objectives.hardware.mapping.placement import FORBIDDEN, STAY, OpCosts, op_costs
from objectives.hardware.mapping.segment import Steps, Way, segment_costs, split_points
from search_space.errors import H4HError, UnknownNameError

SOC = load_soc("u55-256-cim8")
NO_HEADS = load_soc("u55-256-cim8-no-heads")
NPU_ONLY = load_soc("u55-256")
TILES = load_soc("u55-256-tiles8")

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


def best(op: Op, soc: SoC, mapping: str = "latency") -> OpCost:
    return CostModel(soc, mapping).network([op]).ops[0]


def alone(op: Op, npu_channels: int, soc: SoC, *, choice: int = -1) -> OpCost:
    """One split, from SRAM to SRAM, after the NPU, on all macros or those of `choice`."""
    (splits,) = split_costs([op], soc)
    split = splits.channels.tolist().index(npu_channels)
    costs = op_costs(None, splits, soc)
    return _op_cost(splits, Way(0, split, 0), costs.at(choice, -1, split, 0), choice, 0)


def every_split(op: Op, soc: SoC) -> list[tuple[float, float]]:
    """Cycles and energy of every split on every number of macros, from SRAM to SRAM, after the NPU."""
    (splits,) = split_costs([op], soc)
    costs = op_costs(None, splits, soc)
    cycles, energy = (
        np.where(costs.possible, part, FORBIDDEN)[:, -1, :, 0] for part in (costs.cycles, costs.energy_pj)
    )
    return list(zip(cycles.ravel().tolist(), energy.ravel().tolist(), strict=True))


def mbconv(side: int, width: int, expansion: int, kernel: int) -> list[Op]:
    hidden = width * expansion
    return [
        Op("conv2d", side, side, width, hidden),
        Op("depthwise", side, side, hidden, hidden, kernel),
        Op("conv2d", side, side, hidden, width),
        Op("add", side, side, width, width),
    ]


def attention(tokens: int, width: int, heads: int) -> list[Op]:
    return [
        Op("linear", tokens, 1, width, 3 * heads * 16, heads=heads),
        Op("matmul", tokens, 1, 16, tokens, heads=heads),
        Op("softmax", tokens, 1, tokens, tokens, heads=heads),
        Op("matmul", tokens, 1, tokens, 16, heads=heads),
        Op("linear", tokens, 1, heads * 16, width),
    ]


small = st.one_of(
    st.builds(
        mbconv, st.integers(2, 16), st.sampled_from([8, 16]), st.integers(1, 2), st.sampled_from([3, 5])
    ),
    st.builds(attention, st.sampled_from([4, 16, 49]), st.sampled_from([16, 24]), st.integers(1, 2)),
)


def steps_of(ops: list[Op], soc: SoC) -> list[Steps]:
    """Costs of each segment of a network."""
    splits = dict(zip(ops, split_costs(ops, soc), strict=True))
    return [
        Steps.of(segment_costs(own, soc, stays), own, stays)
        for start, stop, stays in split_points(ops, frozenset(), soc)
        for own in [[splits[op] for op in ops[start:stop]]]
    ]


def every_path(steps: Steps, choice: int) -> list[tuple[float, float]]:
    """Cycles and energy of every mapping of a segment: recursion over all ways of its ops."""
    tables = [
        [np.broadcast_to(part, cycles.shape)[choice].tolist() for part in (cycles, energy)]
        for cycles, energy in zip(steps.cycles, steps.energy_pj, strict=True)
    ]

    def following(index: int, placement: int) -> Iterator[tuple[float, float]]:
        if index == len(tables):
            yield 0.0, 0.0
            return
        cycles, energy = (table[placement] for table in tables[index])
        for split in range(len(cycles)):
            for mode in range(2):
                if cycles[split][mode] == FORBIDDEN or (mode == STAY and not steps.stays[index]):
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
        assert part.bound in ("compute", "memory", "transfer", "hand-over")
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


@settings(max_examples=20, deadline=None)
@given(op=others)
def test_ops_without_weights_stay_on_the_npu_where_macros_do_not_run_them(op: Op) -> None:
    assert len(channel_options(op, NO_HEADS)) == 1
    heads = op.heads if op.kind in ("matmul", "softmax") else 0
    assert len(channel_options(op, TILES)) == 1 + heads
    assert len(channel_options(op, SOC)) == 1 + (heads if op.kind == "matmul" else 0)


def test_projection_is_split_in_whole_heads_or_matrices() -> None:
    qkv = Op("linear", 64, 1, 64, 3 * 4 * 16, heads=4)
    assert channel_options(qkv, SOC) == [0, 48, 64, 96, 128, 144, 192]
    assert alone(qkv, 48, SOC).split == "1|3 heads"
    assert alone(qkv, 64, SOC).split == "q|kv"
    assert alone(qkv, 128, SOC).split == "qk|v"


def test_channels_are_split_in_eights() -> None:
    assert channel_options(Op("conv2d", 8, 8, 8, 20), SOC) == [0, 8, 16, 20]


def test_transfer_carries_input_and_output_of_the_moved_part() -> None:
    conv = alone(Op("conv2d", 8, 8, 32, 64), 16, SOC)  # all input channels, 48 output channels
    # 3 hops of 3 cycles; a multicast uses 8 links, what comes back crosses 2 on average.
    assert conv.transfer_cycles == (9 + 64 * 32 / 8) + (9 + 64 * 48 / 8)
    assert conv.noc_pj == pytest.approx((64 * 32 * 8 + 64 * 48 * 2) * 0.3, abs=1e-3)
    depthwise = alone(Op("depthwise", 8, 8, 64, 64, kernel=3), 16, SOC)  # its own channels only
    assert depthwise.transfer_cycles == 2 * (9 + 64 * 48 / 8)
    assert alone(Op("conv2d", 8, 8, 32, 64), 64, SOC).transfer_cycles == 0


def costs_of(ops: list[Op], soc: SoC) -> list[OpCosts]:
    """Costs of the only segment of `ops`."""
    ((_, _, stays),) = split_points(ops, frozenset(), soc)
    return segment_costs(split_costs(ops, soc), soc, stays)


def test_a_map_that_stays_needs_no_transfer_for_a_depthwise_layer() -> None:
    ops = mbconv(16, 16, 4, 3)[:3]
    costs = costs_of(ops, SOC)
    split = 2
    stays = costs[1].at(-1, split, split, STAY)
    assert stays["transfer_cycles"] == stays["handover_cycles"] == 0
    assert stays["noc_bytes"] == 0
    # 8 splits at the macros and three placements in SRAM.
    assert not np.broadcast_to(costs[1].possible, (4, 11, 9, 2))[-1, split, split + 1, STAY]
    # The projection after it needs all channels on both sides: what each lacks, and the macros' exchange.
    lacking = costs[2].at(-1, split, 1, 0)
    at_macros = 256 * (64 - 16)
    assert lacking["fetch_cycles"] == 9 + at_macros / 8
    assert lacking["noc_bytes"] == at_macros + 256 * 16 + at_macros + 256 * 8
    assert lacking["handover_cycles"] == 500


def test_transfers_overlap_with_the_work_in_pieces() -> None:
    cost = alone(Op("conv2d", 8, 8, 32, 64), 16, SOC)
    arriving, returning = 9 + 64 * 32 / 8, 9 + 64 * 48 / 8
    whole = arriving + cost.cim_cycles + returning
    # Four pieces: the first arrives and the last returns alone, the slowest of the three sets the pace between.
    expected = whole / 4 + 3 / 4 * max(arriving, cost.cim_cycles, returning)
    assert whole - cost.overlap_cycles == pytest.approx(expected, abs=1e-3)
    at_once = alone(Op("conv2d", 8, 8, 32, 64), 16, changed(SOC, "cim", stream_pieces=1))
    assert at_once.overlap_cycles == 0


def test_npu_and_network_share_the_port_of_the_sram() -> None:
    op = Op("depthwise", 32, 32, 96, 96, kernel=3)
    quick = changed(SOC, "noc", bandwidth=1e6)
    cost = alone(op, 48, quick)
    # The NPU's half and the macros' half, each in and out, through 8 B/cycle.
    assert cost.sram_cycles >= 4 * 1024 * 48 / 8
    assert cost.cycles >= cost.sram_cycles
    assert alone(op, 96, quick).sram_cycles == 0  # the NPU's own model counts it


def test_a_hand_over_is_counted_once_per_change() -> None:
    cycles, energy = 500, 5000
    ops = [Op("conv2d", 8, 8, 16, 16), Op("conv2d", 8, 8, 16, 16), Op("add", 8, 8, 16, 16)]
    (steps,) = steps_of(ops, SOC)
    free = changed(SOC, "cim", handover_cycles=0, handover_energy=0)
    (without,) = steps_of(ops, free)
    static = cycles * SOC.idle_pj_per_cycle
    npu, macros, both = 2, 0, 1  # splits: all on the NPU, none, eight channels
    for first, second, count in ((npu, npu, 0), (macros, macros, 2), (npu, macros, 2), (both, both, 3), (both, npu, 2)):
        splits = (first, second, 0)
        placement, placement_of_add = -1, 0
        paid = []
        for one in (steps, without):
            total, energy_pj, placement = 0.0, 0.0, -1
            for index, split in enumerate(splits):
                total += one.cycles[index][-1, placement, split, 0]
                energy_pj += one.energy_pj[index][-1, placement, split, 0]
                placement = int(one.last[index][split]) - 3
            paid.append((total, energy_pj))
        assert placement_of_add == 0
        assert paid[0][0] - paid[1][0] == count * cycles
        assert paid[0][1] - paid[1][1] == pytest.approx(count * (energy + static), abs=1e-2)


def test_gelu_of_the_macros_part_is_a_hand_over() -> None:
    op = Op("linear", 64, 1, 64, 128, fused_gelu=True)
    (splits,) = split_costs([op], SOC)
    assert set(last_devices(splits).tolist()) == {2}  # the NPU
    assert alone(op, 128, SOC).handover_cycles == 0
    assert alone(op, 32, SOC).handover_cycles == 2 * 500


@settings(max_examples=10, deadline=None)
@given(ops=small)
def test_dearer_hand_overs_are_never_faster(ops: list[Op]) -> None:
    socs = [changed(SOC, "cim", handover_cycles=value) for value in (0.0, 100.0, 500.0, 5000.0, 1e9)]
    costs = [CostModel(soc).network(ops) for soc in socs]
    times = [cost.latency_ms for cost in costs]
    assert times == sorted(times)
    assert {op.schema for op in costs[-1].ops} == {"npu"}


def test_a_map_stays_only_where_the_buffers_hold_it() -> None:
    ops = mbconv(16, 16, 4, 3)[:3]
    # 64 channels of 256 positions over 8 macros: 2 KiB a macro.
    for kib, stays in ((1.5, False), (8.0, True)):
        costs = costs_of(ops, changed(SOC, "cim", buffer=kib))
        assert np.broadcast_to(costs[0].possible, (4, 3, 9, 2))[-1, -1, 0, STAY] == stays


def test_a_map_that_arrives_has_to_fit_beside_the_one_that_stays() -> None:
    ops = [Op("linear", 1024, 1, 16, 64), Op("linear", 1024, 1, 64, 64)]
    costs = costs_of(ops, changed(SOC, "cim", buffer=8.5))
    # A macro keeps 8 KiB of 8.5; what the others made arrives in pieces for which no 0.5 KiB suffice.
    possible = np.broadcast_to(costs[1].possible, (4, 11, 9, 2))[-1, :, 0, 0]
    assert not possible[0]
    assert possible[-1]


def test_a_map_that_is_read_again_goes_back_to_sram() -> None:
    ops = mbconv(16, 16, 4, 3)[:3]
    assert list(split_points(ops, frozenset(), SOC)) == [(0, 3, (True, True, False))]
    assert list(split_points(ops, frozenset({0}), SOC)) == [(0, 3, (False, True, False))]


def test_segments_end_behind_ops_of_the_npu() -> None:
    ops = attention(64, 64, 4)
    assert list(split_points(ops, frozenset(), TILES)) == [(0, 5, (True, True, True, True, False))]
    # Softmax returns to the NPU, so the scores do as well.
    expected = [(0, 3, (True, False, False)), (3, 5, (True, False))]
    assert list(split_points(ops, frozenset(), SOC)) == expected
    assert len(list(split_points(ops, frozenset(), NO_HEADS))) == 4


def test_attention_moves_to_a_digital_unit_with_its_heads() -> None:
    ops = attention(64, 64, 4)
    cost = CostModel(TILES, "cim").network(ops)
    assert {op.schema for op in cost.ops} == {"cim"}
    assert all(op.noc_bytes == 0 for op in cost.ops[2:4] if op.placement == "macros")


def test_heads_run_on_near_memory_macros_and_their_softmax_on_the_npu() -> None:
    qkv, scores, softmax, attend, _ = attention(64, 64, 4)
    cost = CostModel(SOC).network([qkv, scores, softmax, attend])
    assert [op.schema for op in cost.ops[1:]] == ["cim", "npu", "cim"]
    # NPU after macros, macros after the NPU.
    assert [op.handover_cycles for op in cost.ops[2:]] == [500, 500]
    assert cost.ops[1].mram_bytes == cost.ops[1].cim_weight_bytes == 0
    alone_ms = CostModel(NO_HEADS).network([qkv, scores, softmax, attend]).latency_ms
    assert cost.latency_ms < alone_ms


def test_values_return_with_scores_that_leave_their_macros() -> None:
    ops = attention(64, 64, 4)[:3]
    costs = costs_of(ops, SOC)
    made, split = 2, 2  # two of four heads on the NPU: placements of q, k, v and splits of the scores
    ((splits,), (scores,)) = split_costs(ops[:1], SOC), split_costs(ops[1:2], SOC)
    made = splits.channels.tolist().index(2 * 48)
    split = scores.channels.tolist().index(2 * 64)
    back = costs[1].at(-1, made, split, 0)
    exchanged, values = 64 * 2 * 48, 64 * 2 * 16
    assert back["noc_bytes"] == exchanged + 2 * 64 * 64 + values


def test_gelu_of_the_macros_part_runs_on_the_npu_afterwards() -> None:
    op = Op("linear", 64, 1, 64, 128, fused_gelu=True)
    cost = alone(op, 32, SOC)
    assert cost.tail_cycles == pytest.approx(SOC.npu.activation_cycles.value * 64 * 96, abs=1e-3)
    macros = cost.cim_cycles + cost.transfer_cycles - cost.overlap_cycles
    assert cost.cycles == (
        max(cost.npu_cycles, macros, cost.sram_cycles) + cost.tail_cycles + cost.handover_cycles
    )


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
