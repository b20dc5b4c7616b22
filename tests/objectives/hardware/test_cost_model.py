"""Cost model: totals of networks, and the capacity of the macros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import CostModel, Op, SoC, load_soc
from objectives.hardware.mapping import mapper
from objectives.hardware.mapping.mapper import CapacityError
from objectives.hardware.mapping.split_costs import SplitCosts, split_costs

SOC = load_soc("u55-256-cim8")
OPS = (
    Op("conv2d", 32, 32, 3, 16, kernel=3),
    Op("depthwise", 32, 32, 16, 16, kernel=3, stride=2),
    Op("conv2d", 16, 16, 16, 48),
    Op("linear", 64, 1, 48, 144, heads=3),
    Op("matmul", 64, 1, 16, 64, heads=3),
    Op("softmax", 64, 1, 64, 64, heads=3),
    Op("norm", 64, 1, 48, 48),
    Op("linear", 64, 1, 48, 96, fused_gelu=True),
    Op("add", 8, 8, 48, 48),
    Op("conv2d", 8, 8, 48, 256),
    Op("pool", 8, 8, 256, 256, kernel=8, stride=8),
    Op("linear", 1, 1, 256, 10),
)


def with_capacity(kib: float) -> SoC:
    assert SOC.cim is not None
    capacity = replace(SOC.cim.capacity, value=kib / 8, low=kib / 8, high=kib / 8)
    return replace(SOC, cim=replace(SOC.cim, capacity=capacity))


def test_totals_are_sums_over_ops() -> None:
    cost = CostModel(SOC).network(OPS)
    assert cost.latency_ms == sum(op.cycles for op in cost.ops) / 500e3
    assert cost.energy_mj == sum(op.energy_pj for op in cost.ops) / 1e9
    assert cost.cim_weight_bytes == sum(op.cim_weight_bytes for op in cost.ops)
    assert len(cost.ops) == len(OPS)


@settings(max_examples=10, deadline=None)
@given(
    networks=st.lists(st.lists(st.sampled_from(OPS), max_size=8), max_size=6),
    kib=st.sampled_from([1, 8, 64, 1024]),
)
def test_batch_equals_one_by_one(networks: list[list[Op]], kib: float) -> None:
    soc = with_capacity(kib)
    latency_ms, energy_mj = CostModel(soc).totals(networks)
    assert latency_ms.shape == energy_mj.shape == (len(networks),)
    for index, ops in enumerate(networks):
        single = CostModel(soc).network(ops)
        assert latency_ms[index] == single.latency_ms
        assert energy_mj[index] == single.energy_mj


def test_same_result_whatever_was_costed_before() -> None:
    model = CostModel(SOC)
    first = model.network(OPS)
    model.network(OPS[::-1])
    assert model.network(OPS) == first == CostModel(SOC).network(OPS)


def test_shared_models_of_equal_chips_cost_an_op_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another clock makes a chip that no other test has.
    soc = replace(SOC, npu=replace(SOC.npu, clock=replace(SOC.npu.clock, value=123.0, low=123.0)))
    first = CostModel.shared(soc).network(OPS)
    costed: list[Op] = []

    def counted(ops: Sequence[Op], *others: Any) -> list[SplitCosts]:
        costed.extend(ops)
        return split_costs(ops, *others)

    monkeypatch.setattr(mapper, "split_costs", counted)
    assert CostModel.shared(replace(soc, name="renamed")).network(OPS) == first
    assert costed == []
    # Both mappings choose among the same splits, but not the same ways.
    frugal = CostModel.shared(soc, "energy").network(OPS)
    assert costed == []
    assert frugal == CostModel(soc, "energy").network(OPS)
    costed.clear()
    # A chip, one device alone, or a model of its own shares nothing.
    for model in (CostModel.shared(SOC, "npu"), CostModel.shared(soc, "cim"), CostModel(soc)):
        model.network(OPS)
        assert set(costed) == set(OPS)
        costed.clear()
    assert CostModel(soc).network(OPS) == first
    assert CostModel.shared(with_capacity(1)).network(OPS) == CostModel(with_capacity(1)).network(OPS)


def test_no_ops_cost_nothing() -> None:
    cost = CostModel(SOC).network([])
    assert (cost.latency_ms, cost.energy_mj, cost.ops) == (0, 0, ())
    assert CostModel(SOC).totals([])[0].shape == (0,)


@settings(max_examples=12, deadline=None)
@given(ops=st.lists(st.sampled_from(OPS), max_size=10), kib=st.sampled_from([1, 2, 4, 8, 16, 32]))
def test_capacity_is_never_exceeded(ops: list[Op], kib: float) -> None:
    cost = CostModel(with_capacity(kib)).network(ops)
    assert cost.cim_weight_bytes <= kib * 1024
    assert CostModel(SOC).network(ops).latency_ms <= cost.latency_ms
    assert cost.latency_ms <= CostModel(load_soc("u55-256")).network(ops).latency_ms * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "kib", "op", "tile", "layers"),
    [
        # Eight macros of one tile of 128 x 32: a layer of 128 x 16 takes one tile.
        ("u55-256-tiles8", 4, Op("conv2d", 8, 8, 128, 16), 4096, 8),
        # Eight macros of two words of 128 B: a layer of four channels takes a word in each of four macros.
        ("u55-256-cim8", 0.25, Op("conv2d", 8, 8, 16, 4), 4 * 128, 4),
    ],
)
def test_layers_live_in_different_macros(name: str, kib: float, op: Op, tile: int, layers: int) -> None:
    soc = load_soc(name)
    assert soc.cim is not None
    capacity = replace(soc.cim.capacity, value=kib, low=kib)
    model = CostModel(replace(soc, cim=replace(soc.cim, capacity=capacity)), "cim")
    full = model.network([op] * layers)
    assert {each.schema for each in full.ops} == {"cim"}
    assert full.cim_weight_bytes == layers * tile == 8 * kib * 1024
    needed = (layers + 1) * tile / 1024
    with pytest.raises(CapacityError, match=rf"needs {needed:.1f} KiB .* which hold {8 * kib:g} KiB"):
        model.network([op] * (layers + 1))


def test_first_served_is_the_best_gain_per_byte() -> None:
    depthwise = Op("depthwise", 32, 32, 64, 64, kernel=3)  # many cycles saved by 576 bytes
    classifier = Op("conv2d", 8, 8, 128, 512)  # fewer cycles saved by 65,536
    free = CostModel(SOC).network([classifier, depthwise])
    assert all(op.cim_channels > 0 for op in free.ops)
    tight = CostModel(with_capacity(1)).network([classifier, depthwise])
    assert tight.ops[1].cycles == free.ops[1].cycles
    assert tight.cim_weight_bytes <= 1024


def test_what_is_left_is_used_by_a_smaller_split() -> None:
    op = Op("conv2d", 16, 16, 64, 128, kernel=3)
    free = CostModel(SOC).network([op]).ops[0]
    half = CostModel(with_capacity(free.cim_weight_bytes / 2 / 1024)).network([op]).ops[0]
    assert 0 < half.cim_weight_bytes <= free.cim_weight_bytes / 2
    assert free.cycles < half.cycles < CostModel(load_soc("u55-256")).network([op]).ops[0].cycles


def test_macros_never_slow_a_network() -> None:
    alone, eight, four_units = (
        CostModel(load_soc(name)).network(OPS).latency_ms
        for name in ("u55-256", "u55-256-cim8", "u55-256-cim8x4")
    )
    assert four_units < eight < alone


def test_larger_npu_is_faster() -> None:
    small, large = (CostModel(load_soc(name)).network(OPS).latency_ms for name in ("u55-128", "u55-256"))
    assert large < small


def test_static_power_is_paid_for_the_whole_time() -> None:
    soc = load_soc("u55-256")
    cost = CostModel(soc).network(OPS)
    cycles = sum(op.cycles for op in cost.ops)
    # NPU in pJ/cycle; 0.53 mW of SRAM leakage and 0.84 of the weight store at 500 MHz.
    per_cycle = 2 + (0.53 + 4 * 0.21) * 1e3 / 500
    assert sum(op.static_pj for op in cost.ops) == pytest.approx(per_cycle * cycles, rel=1e-6)


def test_clock_changes_time_but_not_cycles() -> None:
    soc = load_soc("u55-256")
    clock = replace(soc.npu.clock, value=250.0)
    slow = replace(soc, npu=replace(soc.npu, clock=clock))
    assert CostModel(slow).network(OPS).latency_ms == pytest.approx(
        2 * CostModel(soc).network(OPS).latency_ms
    )
    np.testing.assert_array_equal(slow.npu.cycles(OPS), soc.npu.cycles(OPS))
