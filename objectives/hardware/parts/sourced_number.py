"""A hardware number with its unit, its source and the range in which it is plausible."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_type_hints

from search_space.errors import DocumentError
from search_space.files.yaml_document import Document

# Beyond them no hardware number lies, but products of several would leave what a float holds.
_LEAST, _MOST = 1e-12, 1e12


@dataclass(frozen=True)
class Quantity(Document):
    """A number as a SoC file states it.

    Attributes:
        value: What the model uses.
        unit: Checked against what the model expects; nothing is converted.
        source: Publication, measurement or reasoning behind `value`.
        low: Lower end of the plausible range, for sensitivity studies.
        high: Upper end.

    Raises:
        DocumentError: low <= value <= high does not hold, a number is not finite, or `source` is empty.
    """

    value: float
    unit: str
    source: str
    low: float
    high: float

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if not math.isfinite(number):
                raise DocumentError(f"`{name}` must be finite, but got {number}")
            if number and not _LEAST <= abs(number) <= _MOST:
                raise DocumentError(
                    f"`{name}` must be 0 or between {_LEAST:g} and {_MOST:g} in size, but got {number:g}"
                )
        if not self.low <= self.value <= self.high:
            raise DocumentError(
                f"must be low <= value <= high, but got low {self.low:g}, value {self.value:g}, "
                f"high {self.high:g}"
            )
        if not self.source.strip():
            raise DocumentError("`source` must say where the value comes from, but is empty")


@dataclass(frozen=True)
class Unit:
    """What a SoC file must state for a quantity: ``field: Annotated[Quantity, Unit("pJ/MAC")]``.

    Attributes:
        name: The only unit accepted.
        zero: Whether 0 is allowed; else the value must be positive.
        whole: Whether the value must be an integer.
    """

    name: str
    zero: bool = False
    whole: bool = False

    def check(self, where: str, got: Quantity) -> None:
        """Checks unit and signs of a quantity.

        Args:
            where: What the SoC file calls it, for messages.
            got: What it states.

        Raises:
            DocumentError: It is not what this asks for.
        """
        if got.unit != self.name:
            raise DocumentError(f"{where}.unit: must be {self.name!r}, but got {got.unit!r}")
        # All three are checked, not `value` alone: a sensitivity study sets the value to either end.
        if got.low < 0 or (got.low == 0 and not self.zero):
            raise DocumentError(
                f"{where}.low: must be {'at least 0' if self.zero else 'positive'}, but got {got.low:g}"
            )
        for end in ("value", "low", "high"):
            number = getattr(got, end)
            if self.whole and number != int(number):
                raise DocumentError(f"{where}.{end}: must be a whole number, but got {number:g}")


_UNITS: dict[str, dict[str, Unit]] = {}
"""By class: resolving the hints of one takes longer than costing a network on the chip it describes."""


def _units(section: type[Section]) -> dict[str, Unit]:
    name = f"{section.__module__}.{section.__qualname__}"
    if name not in _UNITS:
        hints = get_type_hints(section, include_extras=True)
        _UNITS[name] = {
            entry: mark
            for entry, hint in hints.items()
            for mark in getattr(hint, "__metadata__", ())
            if isinstance(mark, Unit)
        }
    return _UNITS[name]


class Section(Document):
    """Base of the sections of a SoC file, whose fields are quantities or plain text."""

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Names and quantities, in the order of the fields; without those that the file leaves out."""
        for name in _units(type(self)):
            number = getattr(self, name)
            if number is not None:
                yield name, number

    def check(self, name: str) -> None:
        """Checks units and signs.

        Args:
            name: What the SoC file calls this section, for messages.

        Raises:
            DocumentError: A unit is not the expected one, a value is negative, zero or a fraction
                where that has no meaning.
        """
        units = _units(type(self))
        for entry, number in self.quantities():
            units[entry].check(f"{name}.{entry}", number)
