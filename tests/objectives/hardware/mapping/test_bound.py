"""The resource that decides the time of an op: each kind on a chip that lacks it."""

from __future__ import annotations

import pytest

from objectives.hardware import CostModel, Op, SoC
from objectives.hardware.cost_model import _op_cost
from objectives.hardware.mapping.device_choice import Way
from objectives.hardware.mapping.placement import op_costs
from objectives.hardware.mapping.split_costs import split_costs
from tests.objectives.hardware.mapping.networks import NPU_ONLY, SOC, alone, changed

CONV = Op("conv2d", 16, 16, 64, 64, kernel=3)
CLASSIFIER = Op("linear", 1, 1, 256, 512)
SLOW_LINKS = changed(SOC, "noc", bandwidth=0.1)
SLOW_SRAM = changed(SOC, "npu", sram_bandwidth=0.1)


@pytest.mark.parametrize(
    ("op", "npu_channels", "soc", "bound"),
    [
        # 9 x 64 x 64 x 256 multiply-accumulates at 256 a cycle, against 32 KiB of activations.
        (CONV, 64, SOC, "compute"),
        (CONV, 64, SLOW_SRAM, "memory"),
        # 131,072 weights are read once for 131,072 multiply-accumulates.
        (CLASSIFIER, 512, SOC, "memory"),
        (CONV, 0, SOC, "compute"),
        # 32 KiB at 0.1 bytes a cycle, against 73,730 cycles in the macros.
        (CONV, 0, SLOW_LINKS, "transfer"),
        (CONV, 32, SLOW_LINKS, "transfer"),
        (CONV, 0, SLOW_SRAM, "memory"),
        (CONV, 0, changed(SOC, "cim", port_bandwidth=0.1), "memory"),
        (CONV, 0, changed(SOC, "cim", handover_cycles=1e6), "hand-over"),
        # Both devices work at once: the macros take longer.
        (CONV, 32, changed(SOC, "cim", handover_cycles=0), "compute"),
    ],
)
def test_bound_names_what_is_short(op: Op, npu_channels: int, soc: SoC, bound: str) -> None:
    assert alone(op, npu_channels, soc).bound == bound


def test_npu_that_waits_for_data_at_the_macros_is_bound_by_transfers() -> None:
    first, second = split_costs([Op("conv2d", 16, 16, 64, 64), CONV], SLOW_LINKS)
    costs = op_costs(first, second, SLOW_LINKS)
    split = second.channels.tolist().index(64)
    cost = _op_cost(second, Way(0, split, 0), costs.at(-1, 0, split, 0), -1, 8)
    assert cost.fetch_cycles > cost.npu_cycles > 0
    assert cost.bound == "transfer"


def test_op_without_weights_computes() -> None:
    assert CostModel(NPU_ONLY).network([Op("add", 8, 8, 48, 48)]).ops[0].bound == "compute"
