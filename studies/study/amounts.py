"""Quantities by name, and how a person writes an amount of one: a number and its unit (``0.5ms``)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from search_space.errors import H4HError, UnknownNameError

AMOUNT = r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>(?:[A-Za-zµ%]+2?)?)"
"""Regular expression of an amount, with groups `number` and `unit`."""

# Units of a kind of quantity, as multiples of the one in which it is measured (factor 1).
# "k" is 1000 everywhere; memory has the binary multiples as well, under their IEC names.
_PERCENT = {"%": 1.0}
_TIME = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_ENERGY = {"nJ": 1e-6, "uJ": 1e-3, "µJ": 1e-3, "mJ": 1.0, "J": 1e3}
_AREA = {"um2": 1e-6, "µm2": 1e-6, "mm2": 1.0}
_MEMORY = {"B": 1.0, "kB": 1e3, "KiB": 1024.0, "MB": 1e6, "MiB": 1024.0**2}
_NUMBER = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BLOCKS = {"": 1.0}

QUANTITIES: dict[str, dict[str, float]] = {
    "acc": _PERCENT,
    "lat": _TIME,
    "energy": _ENERGY,
    "area": _AREA,
    "macs": _NUMBER,
    "params": _NUMBER,
    "sram": _MEMORY,
    "conv_blocks": _BLOCKS,
    "vit_blocks": _BLOCKS,
}
"""What has amounts: every objective and the counts of blocks, each with the units it may be given in."""


class QuantityError(H4HError):
    """An amount whose unit does not fit its quantity, or whose number is not finite."""


def in_base_unit(quantity: str, number: str, unit: str, *, what: str) -> tuple[float, str]:
    """An amount in the unit in which its quantity is measured, and that unit.

    Args:
        quantity: One of `QUANTITIES`.
        number: As written.
        unit: As written; may be empty where a quantity allows it.
        what: What is read, for the message.

    Raises:
        QuantityError: A unit that does not fit, or a number that is not finite.
        UnknownNameError: A quantity that is none of `QUANTITIES`.
    """
    if quantity not in QUANTITIES:
        raise UnknownNameError("quantity", quantity, QUANTITIES)
    factors = QUANTITIES[quantity]
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
