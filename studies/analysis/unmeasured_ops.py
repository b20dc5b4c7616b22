"""Ops worth measuring: those of one device that take most of the networks' time and were not measured."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from objectives.hardware import CostModel
from objectives.hardware.cost_model import OpCost
from objectives.hardware.measured_share import (
    CIM_CYCLES,
    NPU_CYCLES,
    cim_parts,
    measured_origins,
    npu_parts,
)
from objectives.hardware.measurements.measured_costs import Origin
from objectives.hardware.measurements.measured_ops import ENERGY_COLUMN
from objectives.hardware.npu_model import MEASURED_NAME
from objectives.hardware.op import Op, op_of
from objectives.workload import ops_of, read_again, workload
from search_space.errors import H4HError
from search_space.subnet import Subnet
from studies.analysis.assumed_numbers import cost_model
from studies.study.evaluation import Evaluation
from studies.study.study import Study

COLUMNS = (
    *("kind", "height", "width", "in_channels", "out_channels"),
    *("kernel", "stride", "heads", "fused_gelu"),
)
"""Columns of the list that describe an op."""

DEVICES = {"npu": "NPU", "cim": "macros"}
"""Devices whose ops can be listed: their sections of a chip file, and names for text."""


@dataclass(frozen=True)
class UnmeasuredOp:
    """One op to measure.

    Attributes:
        op: The op as the device computes it: of a split op, the device's share.
        macros: Number of macros that run it; 0 for the NPU.
        units: Compute units, or parallel tiles, of each macro; 0 for the NPU.
        share: Share of the networks' latency, 0 to 1; a mean over the networks.
        networks: Number of networks that have it.
    """

    op: Op
    macros: int
    units: int
    share: float
    networks: int


@dataclass(frozen=True)
class Coverage:
    """How much of the networks' latency rests on measurements of one device.

    Attributes:
        measured: Time of measured ops over the latency, 0 to 1.
        unmeasured: The other ops, the largest share first.
    """

    measured: float
    unmeasured: tuple[UnmeasuredOp, ...]

    def with_first(self, count: int) -> float:
        """Share of the latency that is measured once the first `count` ops are."""
        return self.measured + sum(each.share for each in self.unmeasured[:count])


def coverage(models: Sequence[CostModel], subnets: Sequence[Subnet], device: str = "npu") -> Coverage:
    """Measured and unmeasured ops of networks, each on its own chip.

    Args:
        models: Cost model of each network's chip.
        subnets: n networks, at least one.
        device: One of `DEVICES`.
    """
    share_by_op: dict[tuple[Op, int, int], float] = {}
    networks_by_op: dict[tuple[Op, int, int], int] = {}
    measured = 0.0
    for model, subnet in zip(models, subnets, strict=True):
        steps = workload(subnet)
        ops = ops_of(steps)
        costs = model.network(ops, read_again(steps)).ops
        latency = sum(cost.cycles for cost in costs) * len(subnets)
        of_network: set[tuple[Op, int, int]] = set()
        for key, cycles, is_measured in _device_ops(model, ops, costs, device):
            share = cycles / latency
            if is_measured:
                measured += share
                continue
            share_by_op[key] = share_by_op.get(key, 0.0) + share
            of_network.add(key)
        for key in of_network:
            networks_by_op[key] = networks_by_op.get(key, 0) + 1
    order = sorted(share_by_op, key=lambda key: (-share_by_op[key], key[0].kind, key[0].shape, key[1:]))
    return Coverage(
        measured, tuple(UnmeasuredOp(*key, share_by_op[key], networks_by_op[key]) for key in order)
    )


def _device_ops(
    model: CostModel, ops: Sequence[Op], costs: Sequence[OpCost], device: str
) -> Iterator[tuple[tuple[Op, int, int], float, bool]]:
    """The ops of one device with macros and units, their cycles, and whether these are measured."""
    is_npu = device == "npu"
    measured = measured_origins(model, ops, costs).get(NPU_CYCLES if is_npu else CIM_CYCLES)
    origins: Sequence[Origin | None] = [None] * len(costs) if measured is None else measured.of_ops
    parts = (npu_parts if is_npu else cim_parts)(ops, costs)
    used = [
        (cost, origin)
        for cost, origin in zip(costs, origins, strict=True)
        if (cost.npu_channels if is_npu else cost.cim_channels)
    ]
    for op, (cost, origin) in zip(map(op_of, parts.rows()), used, strict=True):
        macros, units = (0, 0) if is_npu else (cost.macros, model.soc.units)
        yield (op, macros, units), cost.npu_cycles if is_npu else cost.cim_cycles, origin is Origin.MEASURED


def front_models(study: Study, front: Sequence[Evaluation]) -> tuple[list[CostModel], list[Subnet]]:
    """The networks of a study's front and the cost model of each.

    Raises:
        H4HError: Their costs cannot be computed again.
    """
    models = {chip: cost_model(study, chip) for chip in {study.chip(each.genotype) for each in front}}
    designs = [study.search_space.decode(each.genotype) for each in front]
    return [models[design.chip] for design in designs], [design.subnet for design in designs]


def coverage_line(study: Study, front: Sequence[Evaluation]) -> str:
    """How much of the front's latency was measured; empty for a chip without a table of measured ops."""
    tables = {
        "npu": MEASURED_NAME in study.fingerprint.get("npu_model", ""),
        "cim": "cim_table" in study.fingerprint,
    }
    if not front or not any(tables.values()):
        return ""
    try:
        models = front_models(study, front)
        covered = {device: coverage(*models, device) for device, is_known in tables.items() if is_known}
    except H4HError as error:
        return f"how much of the front's latency was measured is unknown: {error}"
    shares = ", ".join(
        f"{each.measured:.0%} by measured ops on the {DEVICES[device]} ({len(each.unmeasured)} ops there are "
        f"not measured)"
        for device, each in covered.items()
    )
    return f"latency of the front: {shares}; studies.measure lists those ops"


def csv_text(ops: Sequence[UnmeasuredOp], files: Sequence[str] | None = None) -> str:
    """The list as CSV, with empty columns for times and energies.

    Args:
        ops: The ops, all of one device.
        files: Name of the model file of each op; None without such files.
    """
    text = StringIO()
    of_macros = ("macros", "units") if any(each.macros for each in ops) else ()
    columns = (*COLUMNS, *of_macros, "cycles", ENERGY_COLUMN, "share", *(() if files is None else ("file",)))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for number, each in enumerate(ops):
        row = {name: getattr(each.op, name) for name in COLUMNS} | {"fused_gelu": int(each.op.fused_gelu)}
        row |= {name: getattr(each, name) for name in of_macros}
        row |= {"cycles": "", ENERGY_COLUMN: "", "share": f"{each.share:.6f}"}
        writer.writerow(row | ({} if files is None else {"file": files[number]}))
    return text.getvalue()
