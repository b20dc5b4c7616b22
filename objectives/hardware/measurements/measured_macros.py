"""Costs of the macros by a table of measured ops, completed by the closed form.

A measured time is that of the macros alone, without transfers. A measured energy is that of their
arithmetic, weight reads and buffers, without leakage. The closed form divides it between these parts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from objectives.hardware.measurements.measured_costs import MeasuredCosts, measured_cycles, measured_energy
from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import Cim, CimCost, Digital
from objectives.hardware.parts.macro_cost import macro_cost
from search_space.arrays import Floats


class MeasuredMacros:
    """Costs of ops on macros of which some were measured.

    Args:
        table: Ops measured on the macros.
        cim: The macros of the chip.
        digital: Engine in each macro for products of two activations; None without one.
        clock_mhz: Clock in whose cycles times are counted.

    Raises:
        MeasurementError: The closed form has no time or energy for a measured op.
    """

    def __init__(self, table: MeasuredOps, cim: Cim, digital: Digital | None, clock_mhz: float) -> None:
        self._cim, self._digital, self._clock_mhz = cim, digital, clock_mhz
        self._units = float(getattr(cim, cim.UNITS).value)
        self.cycles = measured_cycles(table, lambda *of: self._modelled(*of).cycles)
        self.energy = measured_energy(table, lambda *of: _device_pj(self._modelled(*of)))
        _ = self.cycles.fits

    @property
    def costs(self) -> dict[str, MeasuredCosts]:
        """The measured quantities by name."""
        return {"cycles": self.cycles, **({} if self.energy is None else {"energy": self.energy})}

    def _modelled(self, ops: OpArrays, macros: Floats, units: Floats) -> CimCost:
        """Costs (n,) where each op has its own numbers of macros and units."""
        shape = (len(ops),)
        parts = {count: self._closed_form(ops, macros, count) for count in np.unique(units).tolist()}
        columns = {name: np.zeros(shape, column.dtype) for name, column in vars(CimCost.none(shape)).items()}
        for count, cost in parts.items():
            for name, column in vars(cost).items():
                columns[name] = np.where(units == count, column, columns[name])
        return CimCost(**columns)

    def _closed_form(self, ops: OpArrays, macros: Floats, units: float) -> CimCost:
        """Costs (n,) on macros with `units` units each."""
        own = getattr(self._cim, self._cim.UNITS)
        low, high = min(own.low, units), max(own.high, units)
        changed: dict[str, Any] = {self._cim.UNITS: replace(own, value=units, low=low, high=high)}
        return macro_cost(replace(self._cim, **changed), self._digital, ops, macros, self._clock_mhz)

    def corrected(self, cost: CimCost, ops: OpArrays, macros: Floats) -> CimCost:
        """`cost` with measured times and energies.

        Args:
            cost: Costs of the closed form, arrays (m, n).
            ops: The n ops.
            macros: The m numbers of macros.
        """
        rows = [self._corrected_row(cost, index, ops, count) for index, count in enumerate(macros.tolist())]
        names = ("cycles", "mac_pj", "read_pj", "buffer_pj")
        return replace(cost, **dict(zip(names, map(np.stack, zip(*rows, strict=True)), strict=True)))

    def _corrected_row(self, cost: CimCost, index: int, ops: OpArrays, macros: float) -> tuple[Floats, ...]:
        counts = np.full(len(ops), macros), np.full(len(ops), self._units)
        cycles = self.cycles.of(ops, *counts, modelled=cost.cycles[index])
        energies = cost.mac_pj[index], cost.read_pj[index], cost.buffer_pj[index]
        if self.energy is None:
            return cycles, *energies
        modelled = energies[0] + energies[1] + energies[2]
        factor = ratio(self.energy.of(ops, *counts, modelled=modelled), modelled)
        return cycles, *(factor * energy for energy in energies)


def ratio(measured: Floats, modelled: Floats) -> Floats:
    """Measured over modelled values (n,); 1 where nothing is modelled."""
    return np.divide(measured, modelled, out=np.ones_like(modelled), where=modelled > 0)


def _device_pj(cost: CimCost) -> Floats:
    return cost.mac_pj + cost.read_pj + cost.buffer_pj
