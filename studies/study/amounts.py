"""Amounts of a quantity as a user writes them: a number and its unit, such as ``0.5ms``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from objectives.registry import declarations
from search_space.errors import H4HError, UnknownNameError

_UNIT = r"[A-Za-zµ%]+2?"
AMOUNT = rf"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>(?:{_UNIT})?)"
"""Regular expression of an amount, with groups `number` and `unit`."""

# Units of a kind of quantity, as multiples of the one in which it is measured (factor 1).
# "k" is 1000 everywhere; memory has the binary multiples as well, under their IEC names.
_PERCENT = {"%": 1.0}
_TIME = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_ENERGY = {"nJ": 1e-6, "uJ": 1e-3, "µJ": 1e-3, "mJ": 1.0, "J": 1e3}
_POWER = {"nW": 1e-6, "uW": 1e-3, "µW": 1e-3, "mW": 1.0, "W": 1e3}
_AREA = {"um2": 1e-6, "µm2": 1e-6, "mm2": 1.0}
_MEMORY = {"B": 1.0, "kB": 1e3, "KiB": 1024.0, "MB": 1e6, "MiB": 1024.0**2}
_NUMBER = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BLOCKS = {"": 1.0}

_UNITS: dict[str, Mapping[str, float]] = {
    "%": _PERCENT,
    "ms": _TIME,
    "mJ": _ENERGY,
    "mW": _POWER,
    "mm2": _AREA,
    "bytes": _MEMORY,
    "MACs": _NUMBER,
    "parameters": _NUMBER,
}
"""Units that a user may write, by the unit in which an objective is measured."""
BLOCK_COUNTS = ("conv_blocks", "vit_blocks")
"""Counts that can be limited without being objectives."""

Units = Mapping[str, Mapping[str, float]]
"""Factors of the units that a user may write, by name of the quantity and of the unit."""


def units_of(unit: str) -> Mapping[str, float]:
    """Units that a user may write for a quantity measured in `unit`, with their factors."""
    if unit in _UNITS:
        return _UNITS[unit]
    return {unit if re.fullmatch(_UNIT, unit) else "": 1.0}


def known_units(own: Sequence[Any] = ()) -> dict[str, Mapping[str, float]]:
    """Everything that can be limited: every objective and the counts of blocks, with their units.

    Args:
        own: Objectives that are not built in, as `registered_objectives` takes them.
    """
    by_objective = {name: units_of(declared.unit) for name, declared in declarations(own).items()}
    return by_objective | dict.fromkeys(BLOCK_COUNTS, _BLOCKS)


class QuantityError(H4HError):
    """An amount with a unit of another quantity, or with a number that is not finite."""


def in_base_unit(
    quantity: str, number: str, unit: str, *, what: str, units: Units | None = None
) -> tuple[float, str]:
    """An amount converted to the unit in which its quantity is measured, and that unit.

    Args:
        quantity: One of `units`.
        number: Number as written.
        unit: Unit as written; empty if the quantity has none.
        what: Name of the text being read, for messages.
        units: Quantities and their units; by default `known_units()`.

    Raises:
        QuantityError: The unit does not fit, or the number is not finite.
        UnknownNameError: The quantity is unknown.
    """
    units = known_units() if units is None else units
    if quantity not in units:
        raise UnknownNameError("quantity", quantity, units)
    factors = units[quantity]
    if unit not in factors:
        got = f"{unit!r}" if unit else "none"
        raise QuantityError(f"{what}: unit of {quantity} must be {_listed(factors)}, but got {got}")
    value = float(number) * factors[unit]
    if not math.isfinite(value):
        raise QuantityError(f"{what}: {number} is not a finite number")
    return value, next(name for name, factor in factors.items() if factor == 1.0)


def _listed(units: Mapping[str, float]) -> str:
    """The allowed units for a message; "µ" is left out beside "u", which every keyboard has."""
    names = ", ".join(name for name in units if name and not name.startswith("µ"))
    if "" not in units:
        return f"one of {names}"
    return f"one of {names}, or left out" if names else "left out"
