"""Share of a network's cycles and energy that rests on tables of measured ops."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.cost_model import CostModel, OpCost
from objectives.hardware.mapping.split_costs import macro_options, part_of
from objectives.hardware.measurements.measured_costs import MeasuredCosts, Origin
from objectives.hardware.npu_model import MeasuredNpu
from objectives.hardware.op import Op, OpArrays
from objectives.hardware.soc import SoC
from search_space.arrays import Floats

ORIGIN_NAMES = {
    Origin.MEASURED: "measured",
    Origin.INTERPOLATED: "interpolated",
    Origin.EXTRAPOLATED: "extrapolated",
    Origin.MODELLED: "modelled",
}
"""Words for tables, from the best founded to the least."""

NPU_CYCLES, NPU_ENERGY, CIM_CYCLES, CIM_ENERGY = "NPU cycles", "NPU energy", "CIM cycles", "CIM energy"
"""Names of the quantities that a table may have measured."""


@dataclass(frozen=True)
class Origins:
    """Where one quantity of each of n ops comes from.

    Attributes:
        of_ops: Origin for each op (n); None for an op without a share on the device.
        values: The quantity of each op's share on the device (n,); 0 without one.
    """

    of_ops: tuple[Origin | None, ...]
    values: Floats

    @property
    def shares(self) -> dict[Origin, float]:
        """Share of the quantity by origin, in the order of `ORIGIN_NAMES`; they add up to 1.

        Zero everywhere for networks without ops on the device.
        """
        return shares_by_origin(self.of_ops, self.values.tolist())


def npu_parts(ops: Sequence[Op], costs: Sequence[OpCost]) -> OpArrays:
    """The NPU's shares of those ops that it has a share of, in order."""
    return _parts(ops, [cost.npu_channels for cost in costs])


def cim_parts(ops: Sequence[Op], costs: Sequence[OpCost]) -> OpArrays:
    """The macros' shares of those ops that they have a share of, in order."""
    return _parts(ops, [cost.cim_channels for cost in costs])


def _parts(ops: Sequence[Op], channels: Sequence[int]) -> OpArrays:
    rows = [(op, count) for op, count in zip(ops, channels, strict=True) if count]
    return part_of(OpArrays.of([op for op, _ in rows]), np.array([count for _, count in rows], np.float64))


def measured_origins(model: CostModel, ops: Sequence[Op], costs: Sequence[OpCost]) -> dict[str, Origins]:
    """Origins of all quantities for which the chip has measurements, by name.

    Args:
        model: The model that gave the costs.
        ops: n ops of one network.
        costs: Their costs.
    """
    soc = model.soc
    origins: dict[str, Origins] = {}
    if isinstance(model.npu_model, MeasuredNpu):
        parts, used = npu_parts(ops, costs), [bool(cost.npu_channels) for cost in costs]
        none = np.zeros(len(parts))
        origins[NPU_CYCLES] = _origins(model.npu_model.measured, parts, none, none, used)
        if soc.measured_npu_energy is not None:
            origins[NPU_ENERGY] = _origins(soc.measured_npu_energy, parts, none, none, used)
    if soc.measured_macros is not None:
        parts, used = cim_parts(ops, costs), [bool(cost.cim_channels) for cost in costs]
        macros = np.array([cost.macros for cost in costs if cost.cim_channels], dtype=np.float64)
        units = np.full(len(parts), float(soc.units))
        origins[CIM_CYCLES] = _origins(soc.measured_macros.cycles, parts, macros, units, used)
        if soc.measured_macros.energy is not None:
            origins[CIM_ENERGY] = _origins(soc.measured_macros.energy, parts, macros, units, used)
    return origins


def unused_rows_notes(soc: SoC) -> list[str]:
    """One line if rows of `cim.table` have numbers of macros or units that no network uses on `soc`."""
    table = soc.measured_cim
    if table is None or soc.cim is None:
        return []
    options = macro_options(soc)
    unused = [row for row in table.rows if row.macros not in options or row.units != soc.units]
    if not unused:
        return []
    layouts = sorted({(row.macros, row.units) for row in unused})
    text = ", ".join(_layout_text(*layout) for layout in layouts)
    macros, units = layouts[-1]
    changes = f" --macros {macros}" * (macros not in options) + f" --units {units}" * (units != soc.units)
    return [
        f"note: {len(unused)} of {len(table.rows)} ops in cim.table were measured with {text}; {soc.name} "
        f"uses {', '.join(map(str, options))} of {soc.units}, so they only scale other ops of their kind; "
        f"try{changes}"
    ]


def _layout_text(macros: int, units: int) -> str:
    return f"{macros} macro{'s' * (macros != 1)} of {units} unit{'s' * (units != 1)}"


def _origins(
    measured: MeasuredCosts, parts: OpArrays, macros: Floats, units: Floats, used: Sequence[bool]
) -> Origins:
    rows = iter(measured.origins(parts, macros, units).tolist())
    values = np.zeros(len(used))
    values[np.array(used, dtype=bool)] = measured.of(parts, macros, units)
    return Origins(tuple(Origin(next(rows)) if is_used else None for is_used in used), values)


def shares_by_origin(origins: Iterable[Origin | None], values: Iterable[float]) -> dict[Origin, float]:
    """Share of the sum of `values` by origin, in the order of `ORIGIN_NAMES`; all 0 where the sum is."""
    sums = dict.fromkeys(ORIGIN_NAMES, 0.0)
    for origin, value in zip(origins, values, strict=True):
        if origin is not None:
            sums[origin] += value
    total = sum(sums.values())
    return {origin: part / total if total else 0.0 for origin, part in sums.items()}


def shares_text(shares: dict[Origin, float]) -> str:
    """E.g. ``62 % measured, 38 % interpolated``; origins without a share are left out."""
    return ", ".join(f"{share:.0%} {ORIGIN_NAMES[origin]}" for origin, share in shares.items() if share)
