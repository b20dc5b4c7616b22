"""Cost of an op: the sum over its passes, each as long as the slowest of NPU, activations and weights."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from objectives.hardware.npu_passes.layer_pass import Pass
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.machine import Machine
from objectives.hardware.npu_passes.pass_cost import pass_cost
from objectives.hardware.npu_passes.weight_stream import WeightFormat, encoded_bytes
from objectives.hardware.op import Op


class OpCost(NamedTuple):
    """Cost of an op or a pass; cycles, except for the two byte counts.

    Attributes:
        mac: Time of the MAC array.
        out: Time of the output stage.
        npu: Time of the NPU with memories that never make it wait.
        sram: Time of the transfers to and from SRAM.
        weights: Time of the transfers from the weight memory.
        total: Time of the op.
        sram_bytes: Activation bytes that the op needs, repeated reads included.
        weight_bytes: Bytes read from the weight memory, repeated reads included.
    """

    mac: float
    out: float
    npu: float
    sram: float
    weights: float
    total: float
    sram_bytes: float
    weight_bytes: float


@lru_cache(maxsize=1 << 16)
def op_cost(op: Op, machine: Machine, weights: WeightFormat) -> OpCost:
    """Cost of `op` inside a network.

    Raises:
        BlockError: A pass of the op does not fit the NPU's buffer.
    """
    costs = [_cost(work, machine, weights) for work in passes_of(op)]
    return OpCost(*map(sum, zip(*costs, strict=True)))


@lru_cache(maxsize=1 << 15)
def _cost(work: Pass, machine: Machine, weights: WeightFormat) -> OpCost:
    cost = pass_cost(work, machine)
    sram = float(int(cost.sram_traffic / machine.sram))
    read = encoded_bytes(work, machine, weights) * cost.weight_reads
    stream = float(int((read + cost.constant_traffic) / machine.weights))
    total = max(cost.npu_cycles, sram, stream)
    return OpCost(
        cost.mac_cycles,
        cost.output_cycles,
        cost.npu_cycles,
        sram,
        stream,
        total,
        cost.sram_bytes,
        read + cost.constant_traffic,
    )
