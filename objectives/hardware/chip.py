"""Chip: the numbers of macros and compute units that replace those of a SoC file (`--macros`, `--units`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """Numbers of macros and compute units that differ from a SoC file; `SoC.variant` applies them.

    Attributes:
        macros: Number of CIM macros; None keeps the file's number.
        units: Compute units per macro; None keeps the file's number.
    """

    macros: int | None = None
    units: int | None = None

    def over(self, other: Chip) -> Chip:
        """This chip, with each None replaced by the number of `other`."""
        return Chip(
            self.macros if self.macros is not None else other.macros,
            self.units if self.units is not None else other.units,
        )
