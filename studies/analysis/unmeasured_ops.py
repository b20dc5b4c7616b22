"""Ops worth measuring: those of the NPU that take most of the networks' time and were not measured."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

from objectives.hardware import CostModel
from objectives.hardware.measured_share import npu_origins, npu_parts
from objectives.hardware.measurements.measured_cycles import Origin
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
    *("kernel", "stride", "heads", "fused_gelu", "cycles", "share", "file"),
)
"""Columns of the list, which `measured_ops` reads once the times are filled in."""


@dataclass(frozen=True)
class UnmeasuredOp:
    """One op to measure on the NPU.

    Attributes:
        op: The op as the NPU computes it: of a split op, the NPU's share.
        share: Share of the networks' latency, 0 to 1; a mean over the networks.
        networks: Number of networks that have it.
    """

    op: Op
    share: float
    networks: int


@dataclass(frozen=True)
class Coverage:
    """How much of the networks' latency rests on measurements.

    Attributes:
        measured: Share of the latency of measured ops, 0 to 1.
        unmeasured: The other ops, the largest share first.
    """

    measured: float
    unmeasured: tuple[UnmeasuredOp, ...]

    def with_first(self, count: int) -> float:
        """Share of the latency that is measured once the first `count` ops are."""
        return self.measured + sum(each.share for each in self.unmeasured[:count])


def coverage(models: Sequence[CostModel], subnets: Sequence[Subnet]) -> Coverage:
    """Measured and unmeasured ops of networks, each on its own chip.

    Args:
        models: Cost model of each network's chip.
        subnets: n networks, at least one.
    """
    share_by_op: dict[Op, float] = {}
    networks_by_op: dict[Op, int] = {}
    measured = 0.0
    for model, subnet in zip(models, subnets, strict=True):
        steps = workload(subnet)
        ops = ops_of(steps)
        costs = model.network(ops, read_again(steps)).ops
        latency = sum(cost.cycles for cost in costs) * len(subnets)
        origins = npu_origins(model, ops, costs) or [Origin.MODELLED] * len(ops)
        on_npu = [(cost, origin) for cost, origin in zip(costs, origins, strict=True) if cost.npu_channels]
        of_network: set[Op] = set()
        for op, (cost, origin) in zip(map(op_of, npu_parts(ops, costs).rows()), on_npu, strict=True):
            share = cost.npu_cycles / latency
            if origin is Origin.MEASURED:
                measured += share
                continue
            share_by_op[op] = share_by_op.get(op, 0.0) + share
            of_network.add(op)
        for op in of_network:
            networks_by_op[op] = networks_by_op.get(op, 0) + 1
    order = sorted(share_by_op, key=lambda op: (-share_by_op[op], op.kind, op.shape))
    return Coverage(measured, tuple(UnmeasuredOp(op, share_by_op[op], networks_by_op[op]) for op in order))


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
    if not front or MEASURED_NAME not in study.fingerprint.get("npu_model", ""):
        return ""
    try:
        covered = coverage(*front_models(study, front))
    except H4HError as error:
        return f"how much of the front's latency was measured is unknown: {error}"
    return (
        f"{covered.measured:.0%} of the front's latency is measured NPU time; the other "
        f"{len(covered.unmeasured)} ops of the NPU are listed by studies.measure"
    )


def csv_text(ops: Sequence[UnmeasuredOp], files: Sequence[str] | None = None) -> str:
    """The list as CSV, with an empty column for the times.

    Args:
        ops: The ops.
        files: Name of the model file of each op; None without such files.
    """
    text = StringIO()
    columns = COLUMNS if files is not None else COLUMNS[:-1]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for number, each in enumerate(ops):
        op = each.op
        row = {name: getattr(op, name) for name in COLUMNS[:8]}
        row |= {"fused_gelu": int(op.fused_gelu), "cycles": "", "share": f"{each.share:.6f}"}
        writer.writerow(row | ({} if files is None else {"file": files[number]}))
    return text.getvalue()
