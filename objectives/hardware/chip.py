"""Chip: numbers that replace those of a SoC file (`--macros`, `--units`), and the mapping to use on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """What a design chooses of its chip; `SoC.variant` applies the numbers.

    Attributes:
        macros: Number of CIM macros; None keeps the file's number.
        units: Compute units per macro; None keeps the file's number.
        mapping: Cost that the mapping onto the chip minimises, one of `MAPPINGS`; None keeps the study's.
    """

    macros: int | None = None
    units: int | None = None
    mapping: str | None = None

    def over(self, other: Chip) -> Chip:
        """This chip, with each None replaced by the choice of `other`."""
        return Chip(
            self.macros if self.macros is not None else other.macros,
            self.units if self.units is not None else other.units,
            self.mapping if self.mapping is not None else other.mapping,
        )
