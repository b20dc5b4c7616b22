"""Constraints: limits on what a subnet may cost, written with their unit (``lat<=2ms``).

A subnet that breaks a constraint is infeasible. It never costs an expensive evaluation, and the samplers
rank it behind every feasible subnet (feasibility first, Deb 2000).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from search_space.errors import H4HError, UnknownNameError

OPERATORS = ("<=", ">=")

_SYNTAX = re.compile(
    r"\s*(?P<quantity>[A-Za-z_]\w*)\s*(?P<operator><=|>=)\s*"
    r"(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>[A-Za-zµ%]*)\s*"
)

# Units of a kind of quantity, as multiples of the one in which it is measured (factor 1).
# "k" is 1000 everywhere; memory has the binary multiples as well, under their IEC names.
_PERCENT = {"%": 1.0}
_TIME = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_ENERGY = {"nJ": 1e-6, "uJ": 1e-3, "µJ": 1e-3, "mJ": 1.0, "J": 1e3}
_MEMORY = {"B": 1.0, "kB": 1e3, "KiB": 1024.0, "MB": 1e6, "MiB": 1024.0**2}
_NUMBER = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BLOCKS = {"": 1.0}

QUANTITIES: dict[str, dict[str, float]] = {
    "acc": _PERCENT,
    "lat": _TIME,
    "energy": _ENERGY,
    "macs": _NUMBER,
    "params": _NUMBER,
    "sram": _MEMORY,
    "conv_blocks": _BLOCKS,
    "vit_blocks": _BLOCKS,
}
"""What can be limited: every objective and the counts of blocks, each with the units it may be given in."""


class ConstraintError(H4HError):
    """A constraint that cannot be read: bad syntax, a wrong unit, or a limit that is no number."""


@dataclass(frozen=True)
class Constraint:
    """One limit.

    Attributes:
        quantity: What is limited: an objective's name, or a count such as ``vit_blocks``.
        operator: ``"<="`` or ``">="``.
        bound: The limit, in `unit`.
        unit: Unit in which the quantity is measured; empty for a count.
    """

    quantity: str
    operator: str
    bound: float
    unit: str

    def __str__(self) -> str:
        """As `parse_constraint` reads it; equal constraints have equal texts."""
        bound = int(self.bound) if self.bound.is_integer() and self.bound < 2**53 else self.bound
        return f"{self.quantity}{self.operator}{bound}{self.unit}"

    def violation(self, value: float | None) -> float:
        """How far `value` breaks the limit, as a share of the limit; at most 0 where it holds.

        Args:
            value: The quantity of one subnet in `unit`. None, for what was not measured because the
                subnet had been ruled out before, counts as broken by the whole limit: such a subnet
                must not look better than one that was measured.
        """
        if value is None:
            return 1.0
        excess = value - self.bound if self.operator == "<=" else self.bound - value
        return excess / (self.bound or 1.0)


def parse_constraint(text: str) -> Constraint:
    """Reads one constraint such as ``"lat<=2ms"``.

    Raises:
        ConstraintError: Bad syntax, or a unit that does not fit the quantity.
        UnknownNameError: A quantity that is none of `QUANTITIES`.
    """
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ConstraintError(
            f"constraint {text!r}: must be a quantity, {' or '.join(OPERATORS)}, a number and its unit, "
            f"such as 'lat<=2ms' or 'vit_blocks>=1' (quantities: {', '.join(QUANTITIES)})"
        )
    quantity, unit = match["quantity"], match["unit"]
    if quantity not in QUANTITIES:
        raise UnknownNameError("constraint quantity", quantity, QUANTITIES)
    factors = QUANTITIES[quantity]
    if unit not in factors:
        got = f"{unit!r}" if unit else "none"
        raise ConstraintError(
            f"constraint {text!r}: unit of {quantity} must be {_listed(factors)}, but got {got}"
        )
    bound = float(match["number"]) * factors[unit]
    if not math.isfinite(bound) or bound < 0:
        raise ConstraintError(f"constraint {text!r}: the limit must be finite and not negative")
    base = next(name for name, factor in factors.items() if factor == 1.0)
    return Constraint(quantity=quantity, operator=match["operator"], bound=bound, unit=base)


def _listed(units: Mapping[str, float]) -> str:
    """The allowed units for a message; "µ" is left out beside "u", which every keyboard has."""
    names = ", ".join(name for name in units if name and not name.startswith("µ"))
    if "" not in units:
        return f"one of {names}"
    return f"one of {names}, or left out" if names else "left out"
