"""Schemas of one op: on the NPU, on the macros, or split between both, with the best split by full scan.

A convolution, depthwise convolution or linear layer is split by output channels in steps of the NPU's
granularity; a joint q/k/v projection by whole heads, so that Q, K and V of a head stay together. Both
parts run at the same time; the macros' part also waits for its input and output to cross the
network-on-chip. GELU of the macros' channels follows on the NPU. Everything else runs on the NPU.

Activations start and end in SRAM for every op: what a macro computed is written back, even where the next op
runs on the macros again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware import npu as npu_model
from objectives.hardware.cim import RUNS, cim_cost
from objectives.hardware.op import FloatArray, IntArray, Op, OpArrays
from objectives.hardware.soc import SoC


@dataclass(frozen=True)
class OpCost:
    """Cost of one op in one schema.

    ``cycles = max(npu_cycles, cim_cycles + transfer_cycles) + tail_cycles`` and ``energy_pj`` is the sum of
    the five parts.

    Attributes:
        schema: ``npu``, ``cim`` or ``split``.
        npu_channels: Output channels computed on the NPU.
        cim_channels: Output channels computed on the macros.
        npu_cycles: Time of the NPU's part.
        cim_cycles: Time of the macros' part.
        transfer_cycles: Its input and output on the network-on-chip.
        tail_cycles: Activation function of the macros' part, on the NPU.
        mac_pj: Multiply-accumulates of both.
        sram_pj: Activations: SRAM and the macros' inputs.
        mram_pj: Weights read by the NPU and in the macros.
        noc_pj: Transfers.
        static_pj: Leakage and idle clocks over the time of the op.
        cim_weight_bytes: Weights that have to reside in the macros.
    """

    schema: str
    npu_channels: int
    cim_channels: int
    npu_cycles: float
    cim_cycles: float
    transfer_cycles: float
    tail_cycles: float
    mac_pj: float
    sram_pj: float
    mram_pj: float
    noc_pj: float
    static_pj: float
    cim_weight_bytes: int

    @property
    def cycles(self) -> float:
        """Time of the op, in NPU cycles."""
        return max(self.npu_cycles, self.cim_cycles + self.transfer_cycles) + self.tail_cycles

    @property
    def energy_pj(self) -> float:
        """Energy of the op, in pJ."""
        return self.mac_pj + self.sram_pj + self.mram_pj + self.noc_pj + self.static_pj


@dataclass(frozen=True)
class Candidates:
    """All schemas of some ops, one row each; every array is (rows,). Columns as in `OpCost`."""

    npu_channels: FloatArray
    cim_channels: FloatArray
    npu_cycles: FloatArray
    cim_cycles: FloatArray
    transfer_cycles: FloatArray
    tail_cycles: FloatArray
    mac_pj: FloatArray
    sram_pj: FloatArray
    mram_pj: FloatArray
    noc_pj: FloatArray
    static_pj: FloatArray
    cim_weight_bytes: FloatArray

    @property
    def cycles(self) -> FloatArray:
        """As `OpCost.cycles`."""
        return np.maximum(self.npu_cycles, self.cim_cycles + self.transfer_cycles) + self.tail_cycles

    @property
    def energy_pj(self) -> FloatArray:
        """As `OpCost.energy_pj`."""
        return self.mac_pj + self.sram_pj + self.mram_pj + self.noc_pj + self.static_pj

    def rows(self, start: int, stop: int) -> Candidates:
        """Rows `start` to `stop`, without the last."""
        return Candidates(*(column[start:stop] for column in vars(self).values()))

    def row(self, index: int) -> OpCost:
        """One row as plain numbers."""
        values = {name: float(column[index]) for name, column in vars(self).items()}
        npu_channels, cim_channels = int(values.pop("npu_channels")), int(values.pop("cim_channels"))
        schema = "npu" if not cim_channels else "split" if npu_channels else "cim"
        return OpCost(
            schema=schema,
            npu_channels=npu_channels,
            cim_channels=cim_channels,
            cim_weight_bytes=int(values.pop("cim_weight_bytes")),
            **values,
        )

    def ranking(self) -> IntArray:
        """Rows from best to worst: by latency, then energy, then weights in the macros."""
        return np.lexsort((self.cim_weight_bytes, self.energy_pj, self.cycles))


def npu_channel_options(op: Op, soc: SoC) -> FloatArray:
    """Numbers of output channels that the NPU may take, ascending; the last is all of them.

    0 is all on the macros. Only `out_channels` itself where the op cannot leave the NPU.
    """
    if soc.cim is None or op.kind not in RUNS:
        return np.array([op.out_channels], dtype=np.float64)
    step = soc.npu.micro_block_depth.value if op.heads == 1 else op.out_channels // op.heads
    return np.append(np.arange(0, op.out_channels, step), op.out_channels).astype(np.float64)


def candidates(ops: Sequence[Op], soc: SoC) -> list[Candidates]:
    """Every schema of every op, in the order of `npu_channel_options`.

    Args:
        ops: n ops; all their schemas are computed at once.
        soc: Where they run.

    Returns:
        n tables.
    """
    if not ops:
        return []
    options = [npu_channel_options(op, soc) for op in ops]
    counts = np.array([len(option) for option in options])
    table = schema_costs(OpArrays.of(ops).repeated(counts), np.concatenate(options), soc)
    ends = np.cumsum(counts)
    return [table.rows(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]


def schema_costs(ops: OpArrays, npu_channels: FloatArray, soc: SoC) -> Candidates:
    """Costs of n ops of which the NPU computes `npu_channels` (n,) output channels and the macros the rest.

    The macros' part of an op that cannot leave the NPU must be 0.
    """
    cim_channels = ops.out_channels - npu_channels
    npu = _npu_part(ops, npu_channels, soc)
    if soc.cim is None or soc.noc is None:
        none = np.zeros(len(ops))
        cim = _CimPart(*[none] * 9)
    else:
        cim = _cim_part(ops, cim_channels, soc)

    busy = cim.cycles + cim.transfer_cycles
    cycles = np.maximum(npu.cycles, busy) + cim.tail_cycles
    always = soc.npu.static_energy.value + soc.picojoules_per_cycle(soc.memory.leakage_mw)
    leaking = soc.picojoules_per_cycle(soc.cim.leakage_mw) if soc.cim is not None else 0.0
    return Candidates(
        npu_channels=npu_channels,
        cim_channels=cim_channels,
        npu_cycles=npu.cycles,
        cim_cycles=cim.cycles,
        transfer_cycles=cim.transfer_cycles,
        tail_cycles=cim.tail_cycles,
        mac_pj=npu.macs * soc.npu.mac_energy.value + cim.mac_pj,
        sram_pj=(npu.sram_bytes + cim.sram_bytes) * soc.memory.sram_energy.value + cim.input_pj,
        mram_pj=npu.weight_bytes * soc.memory.mram_read_energy.value + cim.read_pj,
        noc_pj=cim.noc_pj,
        static_pj=always * cycles + leaking * busy,
        cim_weight_bytes=cim.weight_bytes,
    )


@dataclass(frozen=True)
class _NpuPart:
    cycles: FloatArray
    macs: FloatArray
    sram_bytes: FloatArray
    weight_bytes: FloatArray


@dataclass(frozen=True)
class _CimPart:
    cycles: FloatArray
    transfer_cycles: FloatArray
    tail_cycles: FloatArray
    mac_pj: FloatArray
    read_pj: FloatArray
    input_pj: FloatArray
    noc_pj: FloatArray
    sram_bytes: FloatArray
    weight_bytes: FloatArray


def _npu_part(ops: OpArrays, channels: FloatArray, soc: SoC) -> _NpuPart:
    runs = channels > 0
    part = ops.with_out_channels(np.maximum(channels, 1.0))
    return _NpuPart(
        cycles=np.where(runs, npu_model.op_cycles(part, soc.npu), 0.0),
        macs=np.where(runs, part.macs, 0.0),
        sram_bytes=np.where(runs, npu_model.sram_bytes(part, soc.npu), 0.0),
        weight_bytes=np.where(runs & ops.is_kind(*RUNS), npu_model.weight_bytes(part, soc.npu), 0.0),
    )


def _cim_part(ops: OpArrays, channels: FloatArray, soc: SoC) -> _CimPart:
    assert soc.cim is not None
    assert soc.noc is not None
    runs = channels > 0
    part = ops.with_out_channels(np.maximum(channels, 1.0))
    cost = cim_cost(part, soc.cim, soc.clock_mhz)
    received = np.where(runs, part.input_bytes, 0.0)
    returned = np.where(runs, part.output_bytes, 0.0)
    passed_on = np.where(ops.fused_gelu, returned, 0.0)
    traffic = soc.noc.traffic(soc.macros)
    alone = ops.is_kind("depthwise")  # a macro needs its own channels only
    shared, scattered = np.where(alone, 0.0, received), np.where(alone, received, 0.0)
    ways = ((traffic.multicast, shared), (traffic.scatter, scattered), (traffic.gather, returned))
    return _CimPart(
        cycles=np.where(runs, cost.cycles, 0.0),
        transfer_cycles=sum((soc.noc.cycles(way, moved) for way, moved in ways), np.zeros(len(ops))),
        tail_cycles=soc.npu.activation_cycles.value * passed_on,
        mac_pj=np.where(runs, cost.mac_pj, 0.0),
        read_pj=np.where(runs, cost.read_pj, 0.0),
        input_pj=np.where(runs, cost.input_pj, 0.0),
        noc_pj=sum((soc.noc.energy_pj(way, moved) for way, moved in ways), np.zeros(len(ops))),
        # Read from and written to SRAM at the near end of the path; the tail reads and writes once more.
        sram_bytes=received + returned + 2.0 * passed_on,
        weight_bytes=np.where(runs, part.weight_bytes, 0.0),
    )
