"""Hardware numbers of a SoC file: value, unit, source and plausible range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import get_type_hints

from search_space.errors import DocumentError
from search_space.files.yaml_document import Document, unknown_key

# No hardware number lies outside these bounds; products of numbers that do could overflow.
_LEAST, _MOST = 1e-12, 1e12
_NUMBERS = ("value", "low", "high")


@dataclass(frozen=True)
class Quantity(Document):
    """A number as a SoC file states it.

    Attributes:
        value: Value that the model uses.
        unit: Unit of the value; must be one that the model expects. Only memories have several, see `Unit`.
        source: Publication, measurement or reasoning behind `value`.
        low: Lower end of the plausible range, for sensitivity studies.
        high: Upper end of the plausible range.

    Raises:
        DocumentError: low <= value <= high does not hold, a number is not finite, or `source` is empty.
    """

    value: float
    unit: str
    source: str
    low: float
    high: float

    def __post_init__(self) -> None:
        for name in _NUMBERS:
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
            raise DocumentError("`source` must state where the value comes from, but is empty")


@dataclass(frozen=True)
class Unit:
    """Unit and domain of a quantity, as an annotation: ``field: Annotated[Quantity, Unit("pJ/MAC")]``.

    Attributes:
        name: The accepted unit.
        others: Other accepted units; `clocked_number.py` converts them.
        zero: Whether 0 is allowed; otherwise the value must be positive.
        whole: Whether the value must be an integer.
    """

    name: str
    zero: bool = False
    whole: bool = False
    others: tuple[str, ...] = ()

    def check_quantity(self, where: str, got: Quantity) -> None:
        """Checks unit and domain of a quantity.

        Args:
            where: Dotted name in the SoC file, for messages.
            got: The quantity.

        Raises:
            DocumentError: The unit differs, or a number is outside the domain.
        """
        if got.unit != self.name and got.unit not in self.others:
            known = " or ".join(map(repr, (self.name, *self.others)))
            raise DocumentError(f"{where}.unit: must be {known}, but got {got.unit!r}")
        # All three are checked, not `value` alone: a sensitivity study sets the value to either end.
        if got.low < 0 or (got.low == 0 and not self.zero):
            raise DocumentError(
                f"{where}.low: must be {'at least 0' if self.zero else 'positive'}, but got {got.low:g}"
            )
        for end in _NUMBERS:
            number = getattr(got, end)
            if self.whole and number != int(number):
                raise DocumentError(f"{where}.{end}: must be a whole number, but got {number:g}")


DERIVED = "derived"
"""Key in the metadata of a field that is no key of the file, because it follows from another section."""

_UNITS: dict[str, dict[str, Unit]] = {}
"""Cache by class, because resolving the hints of one takes longer than costing a network."""


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
    """Base of the sections of a SoC file; their fields are quantities or plain values."""

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Names and quantities in the order of the fields, without those that the file omits.

        Those of a section within follow, with dotted names.
        """
        yield from self._own_quantities()
        for prefix, section in self._sections():
            for name, number in section.quantities():
                yield f"{prefix}.{name}", number

    def _own_quantities(self) -> Iterator[tuple[str, Quantity]]:
        for name in _units(type(self)):
            number = getattr(self, name)
            if number is not None:
                yield name, number

    def _sections(self) -> Iterator[tuple[str, Section]]:
        """Names and sections within this one."""
        for name, value in vars(self).items():
            if isinstance(value, Section):
                yield name, value

    def check_quantities(self, name: str) -> None:
        """Checks all quantities of the section.

        Args:
            name: Name of the section in the SoC file, for messages.

        Raises:
            DocumentError: A unit differs from the expected one, or a value is negative, zero or a fraction
                where that is not allowed.
        """
        units = _units(type(self))
        for entry, number in self._own_quantities():
            units[entry].check_quantity(f"{name}.{entry}", number)
        for entry, section in self._sections():
            section.check_quantities(f"{name}.{entry}")


def check_section(name: str, data: object, section: type[Section]) -> None:
    """Checks the keys of a section, and that its numbers are quantities, before it is read.

    Args:
        name: Name of the section in the SoC file, for messages.
        data: Content of the section; None for an absent one.
        section: Class of the section.

    Raises:
        DocumentError: The section is no mapping, a key is unknown, or a number lacks unit, source and range.
    """
    if data is None:
        return
    entries = fields(section)  # type: ignore[arg-type]
    known = [entry.name for entry in entries if entry.init and not entry.metadata.get(DERIVED)]
    if not isinstance(data, dict):
        raise DocumentError(
            f"{name}: must be a section with the keys {', '.join(known)}, but got {data!r:.60}"
        )
    for key, value in data.items():
        if key not in known:
            raise DocumentError(f"{name}: {unknown_key(key, known)}")
        unit = _units(section).get(key)
        if unit is not None and value is not None:
            check_form(f"{name}.{key}", value, unit)


def check_form(where: str, value: object, unit: Unit) -> None:
    """Checks that `value` is a mapping with the keys of a quantity, and numbers where they belong.

    Args:
        where: Dotted name in the SoC file, for messages.
        value: Content of the file.
        unit: Unit that a number there has, for messages.

    Raises:
        DocumentError: It is something else.
    """
    if not isinstance(value, dict):
        raise DocumentError(
            f"{where}: a number needs unit, range and source, but got {value!r:.60} alone; write "
            f"{example(value, unit)}"
        )
    keys = [entry.name for entry in fields(Quantity)]
    for key in value:
        if key not in keys:
            raise DocumentError(f"{where}: {unknown_key(key, keys)}")
    if missing := [key for key in keys if key not in value]:
        raise DocumentError(f"{where}.{missing[0]}: this key is missing; a number has {', '.join(keys)}")
    for key in _NUMBERS:
        entry = value[key]
        if isinstance(entry, bool) or not isinstance(entry, (int, float)):
            number = _number(entry)
            remedy = "" if number is None else f"; write {number:g}"
            raise DocumentError(f"{where}.{key}: must be a number, but got {entry!r:.60}{remedy}")


def example(value: object, unit: Unit) -> str:
    """How a file states the number in `value`."""
    number = _number(value)
    shown = "N" if number is None else f"{number:g}"
    return f'{{value: {shown}, unit: {unit.name}, low: {shown}, high: {shown}, source: "..."}}'


def _number(value: object) -> float | None:
    """The finite number that `value` begins with, such as that of ``400 MHz``; None without one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(str(value).split()[0])
    except (ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None
