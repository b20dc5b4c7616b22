"""Window of values that a user cares about, written with units (``acc=75%,90% lat=0.05ms,5ms``).

It takes the place of the bounds that follow from the search space. What lies outside counts as if it lay at
the edge, so a network that is worse than the window adds nothing to the hypervolume.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from search_space.errors import H4HError, UnknownNameError
from studies.study.quantity_units import AMOUNT, in_base_unit, known_units

_END = AMOUNT.replace("number", "second_number").replace("unit", "second_unit")
_SYNTAX = re.compile(rf"(?P<name>[A-Za-z_]\w*)\s*=\s*{AMOUNT}\s*,\s*{_END}")
_BETWEEN_ENTRIES = re.compile(r"[\s;]+(?=[A-Za-z_]\w*\s*=)")
EXAMPLE = "'acc=75%,90% lat=0.05ms,5ms'"


class WindowError(H4HError):
    """A window of values that cannot be read."""


@dataclass(frozen=True)
class ValueWindow:
    """Least and greatest value of interest of some objectives.

    Attributes:
        ranges: Least and greatest value in the objectives' own units, by name.
        units: Unit of the values, by name.
    """

    ranges: dict[str, tuple[float, float]]
    units: dict[str, str]

    def __str__(self) -> str:
        """The text that `parse_window` reads; equal windows have equal texts."""
        return " ".join(
            f"{name}={','.join(self._text(name, end) for end in self.ranges[name])}"
            for name in sorted(self.ranges)
        )

    def _text(self, name: str, value: float) -> str:
        return f"{repr(value).removesuffix('.0')}{self.units[name]}"

    def applied(
        self,
        ideal: Sequence[float],
        reference: Sequence[float],
        objectives: Sequence[str],
        directions: Sequence[str],
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Ideal and reference of a box, with those of the objectives in the window replaced."""
        best, worst = list(map(float, ideal)), list(map(float, reference))
        for column, (name, direction) in enumerate(zip(objectives, directions, strict=True)):
            if name in self.ranges:
                low, high = self.ranges[name]
                best[column], worst[column] = (high, low) if direction == "max" else (low, high)
        return tuple(best), tuple(worst)


def parse_window(
    text: str,
    objectives: Sequence[str],
    own_units: Mapping[str, str] = MappingProxyType({}),
    *,
    option: str = "--between",
) -> ValueWindow:
    """Reads a window such as ``"acc=75%,90% lat=0.05ms,5ms"``.

    Args:
        text: Names, each with two amounts.
        objectives: Names of the objectives that may have a range.
        own_units: Units of user-defined objectives among them, by name.
        option: Name of the text, for messages.

    Raises:
        WindowError: The syntax is wrong, an objective is named twice, or a range is empty.
        QuantityError: A unit does not fit, or a number is not finite.
        UnknownNameError: A name is no objective.
    """
    source = f"{option} {text!r}"
    quantities = known_units(own_units)
    ranges: dict[str, tuple[float, float]] = {}
    units: dict[str, str] = {}
    for part in _BETWEEN_ENTRIES.split(text.strip()):
        match = _SYNTAX.fullmatch(part.strip())
        if match is None:
            raise WindowError(
                f"{source}: must be objectives with their least and greatest value and its unit, such as "
                f"{EXAMPLE}, but got {part!r}"
            )
        name = match["name"]
        if name not in objectives:
            raise UnknownNameError("objective with a window", name, objectives)
        if name in ranges:
            raise WindowError(f"{source}: {name} is named twice; give one range for it")
        (low, unit), (high, _) = (
            in_base_unit(name, match[number], match[unit_], source=source, quantities=quantities)
            for number, unit_ in (("number", "unit"), ("second_number", "second_unit"))
        )
        if not low < high:
            raise WindowError(
                f"{source}: the first value of {name} must be less than the second, but got {part!r}"
            )
        if low < 0:
            raise WindowError(f"{source}: values of {name} must not be negative, but got {part!r}")
        ranges[name], units[name] = (low, high), unit
    return ValueWindow(ranges, units)
