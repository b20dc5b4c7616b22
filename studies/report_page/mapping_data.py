"""Data of one subnet in a report: blocks of its stages, and device, time and energy of its ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from objectives.hardware import CostModel, NetworkCost
from objectives.hardware.frame_rate import sleep_mw, throughput
from objectives.hardware_objectives import Power, PowerAtRate, mapped_totals
from objectives.registry import registered_objectives
from objectives.roofline import Roofline, rooflines, utilisation
from objectives.timeline import LANES, PARTS, bars
from objectives.workload import Step, ops_of, peak_bytes, read_again, spilt_bytes, workload
from search_space.subnet import LAYER_NORM, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock
from studies.report_page.records import (
    BlockRecord,
    FramesRecord,
    MappingRecord,
    OutlineRecord,
    RooflineRecord,
    StageRecord,
)


def stage_record(stage: Stage) -> StageRecord:
    """The record of one stage."""
    parts = [stage.downsampling, *stage.conv_blocks, *stage.vit_blocks]
    return {"width": stage.width, "stride": stage.stride, "blocks": [_block(part) for part in parts]}


def _block(part: MBConv | PatchMerging | ViTBlock) -> BlockRecord:
    match part:
        case MBConv():
            return ["conv", part.kernel, part.expansion, part.stride]
        case PatchMerging():
            return ["merge", part.kernel]
        case ViTBlock():
            norm = [] if part.norm == LAYER_NORM else [part.norm]
            return ["vit", part.heads, part.mlp_ratio, *norm]


@dataclass(frozen=True)
class Outline:
    """Parts of a network around its stages, with the sides of its maps; see `OutlineRecord`."""

    resolution: int
    stem: Stem
    sides: tuple[int, ...]
    head_width: int

    @classmethod
    def of(cls, subnet: Subnet) -> Self:
        """The outline of `subnet`."""
        return cls(subnet.resolution, subnet.stem, subnet.sides, subnet.head.width)

    def record(self) -> OutlineRecord:
        """Its record."""
        return {
            "resolution": self.resolution,
            "stem": [self.stem.width, self.stem.stride],
            "sides": list(self.sides),
            "head": self.head_width,
        }


def mapping_record(subnet: Subnet, costs: CostModel, quantities: Sequence[str] = ()) -> MappingRecord:
    """The record of the mapping that `costs` finds for `subnet`.

    Args:
        subnet: The network.
        costs: Model of the SoC.
        quantities: Names of quantities; of the power at a frame rate among them the record has the values.
    """
    steps = workload(subnet)
    ops = ops_of(steps)
    cost = costs.network(ops, read_again(steps))
    latency_ms, energy_mj = mapped_totals(costs, steps, cost)
    per_us = costs.soc.clock_mhz
    starts: list[float] = []
    busy: list[tuple[int, int, float, float]] = []
    now = 0.0
    for index, op in enumerate(cost.ops):
        for lane, start, length in bars(op, now):
            busy.append((LANES.index(lane), index, _short(start / per_us), _short(length / per_us)))
        starts.append(now)
        now += op.cycles
    return {
        "latency_ms": latency_ms,
        "energy_mj": energy_mj,
        "macros": cost.macros,
        "cim_weight_bytes": cost.cim_weight_bytes,
        "sram_bytes": peak_bytes(steps),
        "ops": {
            "name": [step.name for step in steps],
            "kind": [step.op.kind for step in steps],
            "shape": [step.op.shape for step in steps],
            "schema": [op.schema for op in cost.ops],
            "split": [op.split for op in cost.ops],
            "bound": [op.bound for op in cost.ops],
            "start": [_short(start / per_us) for start in starts],
            "length": [_short(op.cycles / per_us) for op in cost.ops],
        },
        "bars": busy,
        "energy": {part: [_short(getattr(op, f"{part}_pj") / 1e3) for op in cost.ops] for part in PARTS},
        "utilisation": {
            device: list(map(_short, shares)) for device, shares in utilisation(ops, cost, costs.soc).items()
        },
        "rooflines": [_roofline(line) for line in rooflines(ops, cost, costs)],
        "frames": _frames(steps, cost, costs, quantities),
    }


def _roofline(line: Roofline) -> RooflineRecord:
    return {
        "device": line.device,
        "memory": line.memory,
        "peak": line.peak,
        "bandwidth": line.bandwidth,
        "op": [point.index for point in line.points],
        "macs": [_short(point.macs) for point in line.points],
        "bytes": [_short(point.bytes_moved) for point in line.points],
        "cycles": [_short(point.cycles) for point in line.points],
    }


def _frames(
    steps: Sequence[Step], cost: NetworkCost, costs: CostModel, quantities: Sequence[str]
) -> FramesRecord:
    spilt = 0.0 if costs.spill is None else spilt_bytes(steps, costs.spill.sram_bytes)
    frames = throughput(cost, costs, spilt)
    latency_ms, energy_mj = (np.array([total]) for total in mapped_totals(costs, steps, cost))
    known = registered_objectives(quantities)
    at_rate = {
        name: _short(float(known[name].of_totals(costs)(latency_ms, energy_mj)[0]))
        for name in dict.fromkeys(quantities)
        if name in known and known[name].source is PowerAtRate
    }
    return {
        "sequential_fps": _short(frames.sequential_fps),
        "pipelined_fps": _short(frames.pipelined_fps),
        "in_flight": frames.frames_in_flight,
        "bottleneck": frames.bottleneck,
        "busy_mw": _short(float(known[Power.name].of_totals(costs)(latency_ms, energy_mj)[0])),
        "sleep_mw": _short(sleep_mw(costs.soc)),
        "at_rate": at_rate,
    }


def _short(value: float) -> float:
    """`value` rounded to 5 digits: more than any plot shows, in a third of the bytes."""
    return float(f"{value:.5g}")
