"""Share of a network's NPU time that rests on measurements, on a chip with a table of measured ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from objectives.hardware.cost_model import CostModel, OpCost
from objectives.hardware.mapping.op_splits import part_of
from objectives.hardware.measurements.measured_cycles import Origin
from objectives.hardware.npu_model import MeasuredNpu
from objectives.hardware.op import Op, OpArrays

ORIGIN_NAMES = {
    Origin.MEASURED: "measured",
    Origin.INTERPOLATED: "interpolated",
    Origin.EXTRAPOLATED: "extrapolated",
    Origin.MODELLED: "modelled",
}
"""Words for tables, from the best founded to the least."""


def npu_parts(ops: Sequence[Op], costs: Sequence[OpCost]) -> OpArrays:
    """The NPU's shares of those ops that it has a share of, in order."""
    rows = [(op, cost.npu_channels) for op, cost in zip(ops, costs, strict=True) if cost.npu_channels]
    channels = np.array([channels for _, channels in rows], dtype=np.float64)
    return part_of(OpArrays.of([op for op, _ in rows]), channels)


def npu_origins(model: CostModel, ops: Sequence[Op], costs: Sequence[OpCost]) -> list[Origin | None] | None:
    """Where the NPU cycles of each op come from.

    Args:
        model: The model that gave the costs.
        ops: n ops of one network.
        costs: Their costs.

    Returns:
        None for an op without a share on the NPU; None instead of a list for a chip without a table.
    """
    if not isinstance(model.npu_model, MeasuredNpu):
        return None
    parts = npu_parts(ops, costs)
    origins = iter(model.npu_model.measured.origins(parts, np.zeros(len(parts))).tolist())
    return [Origin(next(origins)) if cost.npu_channels else None for cost in costs]


def npu_shares(origins: Iterable[Origin | None], costs: Iterable[OpCost]) -> dict[Origin, float]:
    """Share of the NPU's cycles by origin, in the order of `ORIGIN_NAMES`; they add up to 1.

    Zero everywhere for networks without cycles on the NPU.
    """
    cycles = dict.fromkeys(ORIGIN_NAMES, 0.0)
    for origin, cost in zip(origins, costs, strict=True):
        if origin is not None:
            cycles[origin] += cost.npu_cycles
    total = sum(cycles.values())
    return {origin: part / total if total else 0.0 for origin, part in cycles.items()}


def shares_text(shares: dict[Origin, float]) -> str:
    """E.g. ``62 % measured, 38 % interpolated``; origins without a share are left out."""
    return ", ".join(f"{share:.0%} {ORIGIN_NAMES[origin]}" for origin, share in shares.items() if share)
