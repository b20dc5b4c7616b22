"""Ways to run an op: transfers, hand-overs, room in the buffers, and what may stay at the macros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from objectives.hardware import CostModel, Op, SoC
from objectives.hardware.mapping.hand_over import last_devices
from objectives.hardware.mapping.placement import STAY, OpCosts
from objectives.hardware.mapping.segment_solver import (
    segment_costs,
    split_points,
)
from objectives.hardware.mapping.split_costs import channel_options, split_costs
from tests.objectives.hardware.mapping.networks import (
    NO_HEADS,
    SOC,
    TILES,
    alone,
    attention,
    changed,
    mbconv,
    others,
    small,
    steps_of,
)


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
    weights = 16 * 32 * 0.9 + 10 * 16 + 16  # of the NPU, one hop from their store
    assert conv.noc_pj == pytest.approx((64 * 32 * 8 + 64 * 48 * 2 + weights) * 0.3, abs=1e-3)
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
    assert costs[1].inputs == 11
    assert costs[1].matching is not None
    assert costs[1].matching.tolist() == [*range(8), -1]  # each split only on what the same split made
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
    # Four pieces: the first arrives and the last returns alone, the slowest of the three sets the pace
    # between.
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


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ("npu", "npu", 0),
        ("macros", "macros", 2),
        ("npu", "macros", 2),
        ("both", "both", 3),
        ("both", "npu", 2),
    ],
)
def test_a_hand_over_is_counted_once_per_change(first: str, second: str, count: int) -> None:
    """Two convolutions and an add on the NPU, with their maps in SRAM; the NPU is at work before."""
    ops = [Op("conv2d", 8, 8, 16, 16), Op("conv2d", 8, 8, 16, 16), Op("add", 8, 8, 16, 16)]
    splits = {"macros": 0, "both": 1, "npu": 2}  # none, eight or all channels on the NPU
    totals = []
    for soc in (SOC, changed(SOC, "cim", handover_cycles=0, handover_energy=0)):
        (steps,) = steps_of(ops, soc)
        cycles = energy_pj = 0.0
        placement = -1
        for index, split in enumerate((splits[first], splits[second], 0)):
            cycles += steps.cycles[index][-1, placement, split, 0]
            energy_pj += steps.energy_pj[index][-1, placement, split, 0]
            placement = int(steps.last[index][split]) - 3
        totals.append((cycles, energy_pj))
    (paid_cycles, paid_pj), (free_cycles, free_pj) = totals
    assert paid_cycles - free_cycles == count * 500
    assert paid_pj - free_pj == pytest.approx(count * (5000 + 500 * SOC.idle_pj_per_cycle), abs=1e-2)


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
    possible = np.broadcast_to(costs[1].possible, (4, 11, 9, 1))[-1, :, 0, 0]
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
    # Two of four heads on the NPU: placement of q, k and v, and split of the scores.
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
