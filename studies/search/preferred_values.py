"""Preferred values of objectives, written with their units (``acc=85%,lat=0.5ms``).

A preference is a point to search near, not a limit: it may be out of reach.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from search_space.errors import H4HError, UnknownNameError
from studies.study.quantity_units import AMOUNT, in_base_unit, known_units
from studies.study.study import Study

_SYNTAX = re.compile(rf"\s*(?P<name>[A-Za-z_]\w*)\s*=\s*{AMOUNT}\s*")


class PreferenceError(H4HError):
    """A preference that cannot be read."""


@dataclass(frozen=True)
class Preference:
    """Preferred values of some objectives of a study.

    Attributes:
        values: Values in the objectives' own units, by name.
        units: Unit of each value, by name.
    """

    values: dict[str, float]
    units: dict[str, str]

    def __str__(self) -> str:
        """The text that `parse_preference` reads; equal preferences have equal texts."""
        return ",".join(f"{name}={self.values[name]:.17g}{self.units[name]}" for name in sorted(self.values))

    def point(self, study: Study) -> tuple[float, ...]:
        """A value for each objective of `study`, in its order; the ideal if none is preferred."""
        ideal = dict(zip(study.objectives, study.ideal, strict=True))
        return tuple((ideal | self.values)[name] for name in study.objectives)


def parse_preference(
    text: str, objectives: Sequence[str], own_units: Mapping[str, str] = MappingProxyType({})
) -> Preference:
    """Reads one preference such as ``"acc=85%,lat=0.5ms"``.

    Args:
        text: Names, numbers and units.
        objectives: Names of the study's objectives.
        own_units: Units of a user's own objectives among them, by name.

    Raises:
        PreferenceError: The syntax is wrong, or an objective is named twice.
        QuantityError: A unit does not fit, or a number is not finite.
        UnknownNameError: A name is no objective of the study.
    """
    source = f"--prefer {text!r}"
    quantities = known_units(own_units)
    values: dict[str, float] = {}
    units: dict[str, str] = {}
    for part in text.split(","):
        match = _SYNTAX.fullmatch(part)
        if match is None:
            raise PreferenceError(
                f"{source}: must be objectives with a value and its unit, separated by commas, such as "
                f"'acc=85%,lat=0.5ms', but got {part!r}"
            )
        name = match["name"]
        if name not in objectives:
            raise UnknownNameError("objective to prefer a value of", name, objectives)
        if name in values:
            raise PreferenceError(f"{source}: {name} is named twice; another point is another --prefer")
        values[name], units[name] = in_base_unit(
            name, match["number"], match["unit"], source=source, quantities=quantities
        )
    return Preference(values, units)
