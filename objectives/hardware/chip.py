"""A chip as a variant of a SoC file: what `--macros` and `--units` say, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from objectives.hardware.soc import SoC, variant


@dataclass(frozen=True)
class Chip:
    """How many macros and units a chip has, as far as that differs from its SoC file.

    Attributes:
        macros: CIM macros; None for as many as the file has.
        units: Compute units of each macro; None for as many as the file has, and where there is no macro.
    """

    macros: int | None = None
    units: int | None = None

    def over(self, other: Chip) -> Chip:
        """This chip, with what it leaves open as `other` has it."""
        return Chip(
            self.macros if self.macros is not None else other.macros,
            self.units if self.units is not None else other.units,
        )

    def of(self, soc: SoC) -> SoC:
        """The variant of `soc` that this names.

        Raises:
            H4HError: `soc` has no macros to derive others from, or the numbers are out of range.
        """
        return variant(soc, macros=self.macros, units=self.units)
