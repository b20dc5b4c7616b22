"""Cycles or energies of one device: measured where a table has the op, else a scaled model.

An op of the table has its measured value. Any other op of a measured kind has that of the model times one
factor for its kind, the geometric mean of measured over modelled. A kind that was not measured at all keeps
the model. The error of the factor is estimated by leaving out each measurement in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from objectives.hardware.measurements.measured_ops import MeasuredOps, MeasurementError
from objectives.hardware.op import KINDS, OpArrays
from search_space.arrays import Floats, Integers

MARGIN = 2.0
"""An op up to this factor cheaper or more expensive than all measured ones of its kind is interpolated."""

Model = Callable[[OpArrays, Floats, Floats], Floats]
"""Modelled values (n,) of ops, each on its number of macros (n,) with its number of units (n,)."""


class Origin(IntEnum):
    """Where the value of an op comes from."""

    MODELLED = 0
    """The model alone: no op of its kind was measured."""
    EXTRAPOLATED = 1
    """The model times a factor, beyond the measured range of its kind."""
    INTERPOLATED = 2
    """The model times a factor, within the measured range of its kind."""
    MEASURED = 3
    """The table."""


@dataclass(frozen=True)
class KindFit:
    """Agreement of the model with the measurements of one kind of op.

    Attributes:
        kind: Kind of op.
        count: Number of measurements.
        factor: Measured over modelled value, geometric mean.
        error: Mean relative error in % when each op is predicted by the factor of the others; NaN for one
            measurement.
        least: Least modelled value of a measured op.
        most: Greatest modelled value of a measured op.
    """

    kind: str
    count: int
    factor: float
    error: float
    least: float
    most: float


class MeasuredCosts:
    """Cycles or energies of one device.

    Args:
        table: The measurements.
        values: Measured value of each row (n,), in the unit of `model`.
        model: The closed form, or a compiler.
    """

    def __init__(self, table: MeasuredOps, values: Floats, model: Model) -> None:
        self.table = table
        self._values = values
        self._model = model

    @cached_property
    def fits(self) -> dict[str, KindFit]:
        """The fit of each measured kind, by name.

        Raises:
            MeasurementError: The model has no positive value for a measured op.
        """
        ops = self.table.ops
        modelled = self._model(ops, self.table.macros, self.table.units)
        wrong = np.flatnonzero(~((modelled > 0) & np.isfinite(modelled)))
        if wrong.size:
            op = self.table.rows[int(wrong[0])].op
            raise MeasurementError(
                f"{self.table.name}: {op.kind} {op.shape} is measured, but the model of the chip gives it "
                f"{modelled[wrong[0]]:g}, which no factor can scale; leave out the row, or correct the chip"
            )
        kinds = {KINDS[code] for code in ops.kind.tolist()}
        return {
            kind: _fit(kind, self._values[rows], modelled[rows])
            for kind in KINDS
            if kind in kinds
            for rows in [np.flatnonzero(ops.is_kind(kind))]
        }

    def of(
        self,
        ops: OpArrays,
        macros: Floats | None = None,
        units: Floats | None = None,
        modelled: Floats | None = None,
    ) -> Floats:
        """Values (n,) of ops; lower is better.

        Args:
            ops: n ops.
            macros: Number of macros of each op (n,); by default those of the NPU, 0.
            units: Number of compute units of these macros (n,); by default 0.
            modelled: Values of the model (n,), if they are known already.
        """
        none = np.zeros(len(ops))
        macros, units = none if macros is None else macros, none if units is None else units
        if modelled is None:
            modelled = self._model(ops, macros, units)
        factors = np.ones(len(KINDS))
        for kind, fit in self.fits.items():
            factors[KINDS.index(kind)] = fit.factor
        rows = self.table.find(ops, macros, units)
        return np.where(rows >= 0, self._values[rows], modelled * factors[ops.kind])

    def origins(self, ops: OpArrays, macros: Floats | None = None, units: Floats | None = None) -> Integers:
        """Where the value of each op comes from (n,), as `Origin`; arguments as of `of`."""
        none = np.zeros(len(ops))
        macros, units = none if macros is None else macros, none if units is None else units
        modelled = self._model(ops, macros, units)
        origins = np.full(len(ops), int(Origin.MODELLED))
        for kind, fit in self.fits.items():
            is_kind = ops.is_kind(kind)
            within = (modelled >= fit.least / MARGIN) & (modelled <= fit.most * MARGIN)
            origins[is_kind & within] = Origin.INTERPOLATED
            origins[is_kind & ~within] = Origin.EXTRAPOLATED
        origins[self.table.find(ops, macros, units) >= 0] = Origin.MEASURED
        return origins


def measured_cycles(table: MeasuredOps, model: Model) -> MeasuredCosts:
    """Cycles by `table`, completed by `model`."""
    return MeasuredCosts(table, table.cycles, model)


def measured_energy(table: MeasuredOps, model: Model) -> MeasuredCosts | None:
    """Energies in pJ by the rows of `table` that state one, completed by `model`; None without such rows.

    Raises:
        MeasurementError: The model has no energy for a measured op.
    """
    part = table.with_energy
    if part is None:
        return None
    energy = MeasuredCosts(part, part.picojoules, model)
    _ = energy.fits
    return energy


def _fit(kind: str, measured: Floats, modelled: Floats) -> KindFit:
    """The factor of one kind and its leave-one-out error; arrays (n,), n at least 1."""
    logs = np.log(measured / modelled)
    count = len(logs)
    error = float("nan")
    if count > 1:
        others = (logs.sum() - logs) / (count - 1)
        error = 100 * float(np.abs(np.exp(others - logs) - 1).mean())
    return KindFit(
        kind, count, float(np.exp(logs.mean())), error, float(modelled.min()), float(modelled.max())
    )
