"""Cycles from a table of measured ops, and from the closed form where nothing was measured.

An op of the table has its measured cycles. Any other op of a measured kind has those of the closed form times
one factor for its kind, the geometric mean of measured over modelled. A kind that was not measured at all
keeps the closed form. The error of the factor is estimated by leaving out each measurement in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from objectives.hardware.measurements.measured_ops import MeasuredOps
from objectives.hardware.op import KINDS, OpArrays
from search_space.arrays import Floats, Integers

MARGIN = 2.0
"""An op up to this factor shorter or longer than all measured ones of its kind counts as interpolated."""

Model = Callable[[OpArrays, Floats], Floats]
"""Modelled cycles (n,) of ops, each on its number of macros (n,)."""


class Origin(IntEnum):
    """Where the cycles of an op come from."""

    MODELLED = 0
    """The closed form alone: no op of its kind was measured."""
    EXTRAPOLATED = 1
    """The closed form times a factor, beyond the measured range of its kind."""
    INTERPOLATED = 2
    """The closed form times a factor, within the measured range of its kind."""
    MEASURED = 3
    """The table."""


@dataclass(frozen=True)
class KindFit:
    """How the closed form meets the measurements of one kind of op.

    Attributes:
        kind: Kind of op.
        count: Number of measurements.
        factor: Measured over modelled cycles, geometric mean.
        error: Mean relative error in % when each op is predicted by the factor of the others; NaN for one
            measurement.
        least: Fewest modelled cycles of a measured op.
        most: Most modelled cycles of a measured op.
    """

    kind: str
    count: int
    factor: float
    error: float
    least: float
    most: float


class MeasuredCycles:
    """Cycles of one device: measured, or modelled and scaled.

    Args:
        table: The measurements.
        model: The closed form.
    """

    def __init__(self, table: MeasuredOps, model: Model) -> None:
        self.table = table
        self._model = model

    @cached_property
    def fits(self) -> dict[str, KindFit]:
        """The fit of each measured kind, by name."""
        modelled = self._model(self.table.ops, self.table.macros)
        kinds = {KINDS[code] for code in self.table.ops.kind.tolist()}
        return {
            kind: _fit(kind, self.table.cycles[rows], modelled[rows])
            for kind in KINDS
            if kind in kinds
            for rows in [np.flatnonzero(self.table.ops.is_kind(kind))]
        }

    def cycles(self, ops: OpArrays, macros: Floats, modelled: Floats | None = None) -> Floats:
        """Cycles (n,) of ops, each on its number of macros; lower is better.

        Args:
            ops: n ops.
            macros: Number of macros (n,); 0 for the NPU.
            modelled: Cycles of the closed form (n,), if they are known already.
        """
        if modelled is None:
            modelled = self._model(ops, macros)
        factors = np.ones(len(KINDS))
        for kind, fit in self.fits.items():
            factors[KINDS.index(kind)] = fit.factor
        rows = self.table.find(ops, macros)
        return np.where(rows >= 0, self.table.cycles[rows], modelled * factors[ops.kind])

    def origins(self, ops: OpArrays, macros: Floats) -> Integers:
        """Where the cycles of each op come from (n,), as `Origin`."""
        modelled = self._model(ops, macros)
        origins = np.full(len(ops), int(Origin.MODELLED))
        for kind, fit in self.fits.items():
            is_kind = ops.is_kind(kind)
            within = (modelled >= fit.least / MARGIN) & (modelled <= fit.most * MARGIN)
            origins[is_kind & within] = Origin.INTERPOLATED
            origins[is_kind & ~within] = Origin.EXTRAPOLATED
        origins[self.table.find(ops, macros) >= 0] = Origin.MEASURED
        return origins


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
