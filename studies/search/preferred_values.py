"""Preferences: the values that a user would like best, written with their units (``acc=85%,lat=0.5ms``).

A preference is a point to search near, not a limit: it may lie beyond what can be had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from search_space.errors import H4HError, UnknownNameError
from studies.study.amounts import AMOUNT, in_base_unit
from studies.study.study import Study

_SYNTAX = re.compile(rf"\s*(?P<name>[A-Za-z_]\w*)\s*=\s*{AMOUNT}\s*")


class PreferenceError(H4HError):
    """A preference that cannot be read."""


@dataclass(frozen=True)
class Preference:
    """Preferred values of some objectives of a study.

    Attributes:
        values: Name and value in the objective's own unit.
        units: The unit of each.
    """

    values: dict[str, float]
    units: dict[str, str]

    def __str__(self) -> str:
        """As `parse_preference` reads it; equal preferences have equal texts."""
        return ",".join(f"{name}={self.values[name]:.17g}{self.units[name]}" for name in sorted(self.values))

    def point(self, study: Study) -> tuple[float, ...]:
        """A value for each objective of `study`, in its order: where none is preferred, the ideal."""
        ideal = dict(zip(study.objectives, study.ideal, strict=True))
        return tuple((ideal | self.values)[name] for name in study.objectives)


def parse_preference(text: str, objectives: Sequence[str]) -> Preference:
    """Reads one preference such as ``"acc=85%,lat=0.5ms"``.

    Args:
        text: Names, numbers and units.
        objectives: Names that may stand there.

    Raises:
        PreferenceError: Bad syntax, or one objective twice.
        QuantityError: A unit that does not fit, or a number that is not finite.
        UnknownNameError: A name that is no objective of the study.
    """
    what = f"--prefer {text!r}"
    values: dict[str, float] = {}
    units: dict[str, str] = {}
    for part in text.split(","):
        match = _SYNTAX.fullmatch(part)
        if match is None:
            raise PreferenceError(
                f"{what}: must be objectives with a value and its unit, joined by commas, such as "
                f"'acc=85%,lat=0.5ms', but got {part!r}"
            )
        name = match["name"]
        if name not in objectives:
            raise UnknownNameError("objective to prefer a value of", name, objectives)
        if name in values:
            raise PreferenceError(f"{what}: {name} is named twice; another point is another --prefer")
        values[name], units[name] = in_base_unit(name, match["number"], match["unit"], what=what)
    return Preference(values, units)
