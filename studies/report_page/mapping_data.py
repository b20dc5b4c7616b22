"""One subnet as plain data: the blocks of its stages, and when and where each of its ops runs."""

from __future__ import annotations

from typing import Any

from objectives.hardware import CostModel
from objectives.timeline import LANES, PARTS, bars
from objectives.workload import ops_of, peak_bytes, read_again, workload
from search_space.subnet import LAYER_NORM, MBConv, PatchMerging, Stage, Subnet, ViTBlock


def stage_record(stage: Stage) -> dict[str, Any]:
    """Width, stride, and the blocks from the input to the output."""
    parts = [stage.downsampling, *stage.conv_blocks, *stage.vit_blocks]
    return {"width": stage.width, "stride": stage.stride, "blocks": [_block(part) for part in parts]}


def _block(part: MBConv | PatchMerging | ViTBlock) -> list[Any]:
    match part:
        case MBConv():
            return ["conv", part.kernel, part.expansion, part.stride]
        case PatchMerging():
            return ["merge", part.kernel]
        case ViTBlock():
            norm = [] if part.norm == LAYER_NORM else [part.norm]
            return ["vit", part.heads, part.mlp_ratio, *norm]


def outline(subnet: Subnet) -> dict[str, Any]:
    """What stands around the stages."""
    return {
        "resolution": subnet.resolution,
        "stem": [subnet.stem.width, subnet.stem.stride],
        "sides": list(subnet.sides),
        "head": subnet.head.width,
    }


def mapping_record(subnet: Subnet, costs: CostModel) -> dict[str, Any]:
    """Where each op runs, when the lanes are busy with it, and where its energy goes.

    Times are in microseconds from the beginning, energies in nJ; a bar is lane, op, start and length.
    """
    steps = workload(subnet)
    cost = costs.network(ops_of(steps), read_again(steps))
    per_us = costs.soc.clock_mhz
    starts, drawn, now = [], [], 0.0
    for index, op in enumerate(cost.ops):
        for lane, start, length in bars(op, now):
            drawn.append([LANES.index(lane), index, _short(start / per_us), _short(length / per_us)])
        starts.append(now)
        now += op.cycles
    return {
        "latency_ms": cost.latency_ms,
        "energy_mj": cost.energy_mj,
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
        "bars": drawn,
        "energy": {part: [_short(getattr(op, f"{part}_pj") / 1e3) for op in cost.ops] for part in PARTS},
    }


def _short(value: float) -> float:
    """To 5 digits: more than any picture shows, and a third of the bytes."""
    return float(f"{value:.5g}")
