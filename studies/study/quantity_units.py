"""Amounts with their unit, such as ``0.5ms``, and the units that each quantity may be given in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from objectives.registry import declarations
from search_space.errors import H4HError, UnknownNameError

AMOUNT = r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>(?:[A-Za-zµ%]+2?)?)"
"""Regular expression of an amount, with groups `number` and `unit`."""

# Units of each kind of quantity, as multiples of its base unit (factor 1).
# "k" is 1000 everywhere; memory also has binary multiples, with their IEC names.
_PERCENT = {"%": 1.0}
_TIME = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_ENERGY = {"nJ": 1e-6, "uJ": 1e-3, "µJ": 1e-3, "mJ": 1.0, "J": 1e3}
_POWER = {"nW": 1e-6, "uW": 1e-3, "µW": 1e-3, "mW": 1.0, "W": 1e3}
_AREA = {"um2": 1e-6, "µm2": 1e-6, "mm2": 1.0}
_MEMORY = {"B": 1.0, "kB": 1e3, "KiB": 1024.0, "MB": 1e6, "MiB": 1024.0**2}
_NUMBER = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BLOCKS = {"": 1.0}
_PHYSICAL = (_PERCENT, _TIME, _ENERGY, _POWER, _AREA, _MEMORY)
_COUNTED = {"bytes": _MEMORY, "MACs": _NUMBER, "parameters": _NUMBER, "blocks": {**_BLOCKS, "blocks": 1.0}}
BLOCK_COUNTS = ("conv_blocks", "vit_blocks")
"""Counts that constraints can limit although they are no objectives."""

Units = Mapping[str, float]
"""Factor of each unit that a quantity may be given in."""


def known_units(own_units: Mapping[str, str] = MappingProxyType({})) -> dict[str, Units]:
    """Units of every built-in quantity by name: the objectives and the numbers of blocks.

    Args:
        own_units: Units of user-defined objectives by name, which are added.
    """
    by_objective = {name: units_beside(declared.unit) for name, declared in declarations().items()}
    own = {name: units_beside(unit) for name, unit in own_units.items()}
    return by_objective | dict.fromkeys(BLOCK_COUNTS, _BLOCKS) | own


class QuantityError(H4HError):
    """An amount whose unit does not fit its quantity, or whose number is not finite."""


def units_beside(unit: str) -> Units:
    """Units of a quantity measured in `unit`, which has the factor 1."""
    if unit in _COUNTED:
        return _COUNTED[unit]
    for units in _PHYSICAL:
        if units.get(unit) == 1.0:
            return units
        if unit in units:
            return {unit: 1.0, **{name: factor / units[unit] for name, factor in units.items()}}
    return {unit: 1.0}


def is_count(quantity: str, quantities: Mapping[str, Units]) -> bool:
    """Whether the values of a quantity are whole numbers: bytes, multiply-accumulates, parameters, blocks."""
    return any(quantities[quantity] is units for units in (*_COUNTED.values(), _BLOCKS))


def in_base_unit(
    quantity: str, number: str, unit: str, *, source: str, quantities: Mapping[str, Units]
) -> tuple[float, str]:
    """An amount in the base unit of its quantity, and that unit.

    Args:
        quantity: One of `quantities`.
        number: The number as text.
        unit: The unit as text; may be empty if the quantity allows it.
        source: Name of the text, for messages.
        quantities: Units of each quantity.

    Raises:
        QuantityError: The unit does not fit, or the number is not finite.
        UnknownNameError: `quantity` is not in `quantities`.
    """
    if quantity not in quantities:
        raise UnknownNameError("quantity", quantity, quantities)
    factors = quantities[quantity]
    if unit not in factors:
        got = f"{unit!r}" if unit else "none"
        raise QuantityError(f"{source}: unit of {quantity} must be {_listed(factors)}, but got {got}")
    value = float(number) * factors[unit]
    if not math.isfinite(value):
        raise QuantityError(f"{source}: {number} is not a finite number")
    return value, next(name for name, factor in factors.items() if factor == 1.0)


def _listed(units: Units) -> str:
    """The allowed units for a message, with "u" but not "µ"."""
    names = ", ".join(name for name in units if name and not name.startswith("µ"))
    if "" not in units:
        return f"one of {names}"
    return f"one of {names}, or left out" if names else "left out"
