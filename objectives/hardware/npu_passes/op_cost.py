"""Cost of an op: the sum over its passes, each as long as the slowest of NPU, activations and weights."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from objectives.hardware.npu_passes.layer_pass import Pass
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.machine import Machine
from objectives.hardware.npu_passes.pass_cost import pass_cost
from objectives.hardware.npu_passes.weight_buffering import Stream, previous_op, stream
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
    costs = []
    slack = _slack(op, machine, weights) if weights.is_buffered else 0.0
    for work in passes_of(op):
        cost, slack = _cost(work, machine, weights, slack if work.has_weights else 0.0)
        costs.append(cost)
    return OpCost(*map(sum, zip(*costs, strict=True)))


@lru_cache(maxsize=1 << 15)
def _slack(op: Op, machine: Machine, weights: WeightFormat) -> float:
    """Cycles of the last slice of what typically runs before `op`."""
    before = previous_op(op)
    if before is None:
        return 0.0
    work = passes_of(before)[-1]
    return _cost(work, machine, weights, pass_cost(work, machine).npu_cycles)[1]


@lru_cache(maxsize=1 << 15)
def _cost(work: Pass, machine: Machine, weights: WeightFormat, slack: float) -> tuple[OpCost, float]:
    """Cost of a pass, and the cycles of its last slice."""
    cost = pass_cost(work, machine)
    size = encoded_bytes(work, machine, weights)
    if weights.is_buffered:
        read = stream(work, cost, size, slack, machine)
    else:
        bytes_read = size * cost.weight_reads
        times = (cost.sram_traffic / machine.sram, (bytes_read + cost.constant_traffic) / machine.weights)
        read = Stream(max(cost.npu_cycles, *map(int, times)), 0.0, bytes_read, cost.npu_cycles)
    bytes_read = read.weight_bytes + cost.constant_traffic
    traffic = cost.sram_traffic + read.sram_bytes
    return (
        OpCost(
            mac=cost.mac_cycles,
            out=cost.output_cycles,
            npu=cost.npu_cycles,
            sram=float(int(traffic / machine.sram)),
            weights=float(int(bytes_read / machine.weights)),
            total=float(read.cycles),
            sram_bytes=cost.sram_bytes + read.sram_bytes,
            weight_bytes=bytes_read,
        ),
        read.last_slice,
    )
