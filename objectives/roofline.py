"""Rooflines and utilisation of a network's ops on NPU and macros.

A roofline (Williams, Waterman, Patterson, CACM 52(4), 2009) plots multiply-accumulates per cycle over
multiply-accumulates per byte. The memory of the NPU is the SRAM, that of the macros the network to them. An
op lies under the roof; how far below tells what else limits it, such as weights or the output stage. Macros
that exchange shares of a map use several links of the network at once, so such an op may lie above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware import CostModel, NetworkCost, SoC
from objectives.hardware.mapping.split_costs import SplitCosts, channels_of
from objectives.hardware.op import Op


@dataclass(frozen=True)
class RooflinePoint:
    """The share of one op on one device.

    Attributes:
        index: Place of the op in the network.
        kind: Kind of the op.
        macs: Multiply-accumulates of the share.
        bytes_moved: Bytes over the device's memory port; 0 where all operands are there already.
        cycles: Time of the share, with its transfers.
    """

    index: int
    kind: str
    macs: float
    bytes_moved: float
    cycles: float

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte; infinite without transfers."""
        return self.macs / self.bytes_moved if self.bytes_moved else float("inf")

    @property
    def rate(self) -> float:
        """Multiply-accumulates per cycle."""
        return self.macs / self.cycles


@dataclass(frozen=True)
class Roofline:
    """Roof and ops of one device.

    Attributes:
        device: Name of the device.
        memory: Name of the memory or link that feeds it.
        peak: Multiply-accumulates per cycle when all multipliers are busy.
        bandwidth: Bytes per cycle of the memory.
        points: Ops with multiply-accumulates on the device.
    """

    device: str
    memory: str
    peak: float
    bandwidth: float
    points: tuple[RooflinePoint, ...]

    def roof(self, intensity: float) -> float:
        """Most multiply-accumulates per cycle at an intensity."""
        return min(self.peak, self.bandwidth * intensity)


def macs_on(op: Op, channels: int) -> float:
    """Multiply-accumulates of the share of an op with `channels` channels."""
    return op.macs * channels / channels_of(op)


def rooflines(ops: Sequence[Op], cost: NetworkCost, costs: CostModel) -> list[Roofline]:
    """Rooflines of the devices that compute products of the network.

    Args:
        ops: The network.
        cost: Its cost by `costs`.
        costs: Model of the SoC.
    """
    soc = costs.soc
    rooflines = [_npu_roofline(ops, cost, costs)] if soc.has_npu else []
    if soc.cim is not None and soc.noc is not None and cost.macros:
        points = [
            RooflinePoint(
                index,
                op.kind,
                macs_on(op, each.cim_channels),
                float(each.noc_bytes),
                each.transfer_cycles + each.cim_cycles - each.overlap_cycles,
            )
            for index, (op, each) in enumerate(zip(ops, cost.ops, strict=True))
            if each.cim_channels and op.macs
        ]
        peak = soc.cim.peak(soc.clock_mhz) * cost.macros / soc.macros
        name = f"{cost.macros} macros"
        rooflines.append(Roofline(name, "network", peak, soc.noc.bandwidth.value, tuple(points)))
    return [each for each in rooflines if each.points]


def _npu_roofline(ops: Sequence[Op], cost: NetworkCost, costs: CostModel) -> Roofline:
    npu = costs.soc.npu
    used = [index for index, each in enumerate(cost.ops) if each.npu_channels]
    costs.mapper.learn(ops)
    points = [
        RooflinePoint(
            index,
            ops[index].kind,
            macs_on(ops[index], cost.ops[index].npu_channels),
            _moved(costs.mapper.splits(ops[index]), cost.ops[index].npu_channels),
            cost.ops[index].npu_cycles,
        )
        for index in used
        if ops[index].macs
    ]
    return Roofline("NPU", "SRAM", npu.peak_macs_per_cycle, npu.sram_bytes_per_cycle, tuple(points))


def _moved(splits: SplitCosts, channels: int) -> float:
    """Bytes between NPU and SRAM for the NPU's share of an op."""
    return float(splits.npu_sram_bytes[np.searchsorted(splits.channels, channels)])


def utilisation(ops: Sequence[Op], cost: NetworkCost, soc: SoC) -> dict[str, list[float]]:
    """Share of the multipliers of each device that each op keeps busy over its time, in %."""
    shares: dict[str, list[float]] = {}
    pairs = list(zip(ops, cost.ops, strict=True))
    if soc.has_npu:
        shares["NPU"] = [
            100 * macs_on(op, each.npu_channels) / (soc.npu.peak_macs_per_cycle * each.cycles)
            for op, each in pairs
        ]
    if soc.cim is not None:
        peak = soc.cim.peak(soc.clock_mhz)
        shares["macros"] = [100 * macs_on(op, each.cim_channels) / (peak * each.cycles) for op, each in pairs]
    return shares
