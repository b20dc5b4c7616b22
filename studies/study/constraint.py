"""Constraints: limits on what a subnet may cost, written with their unit (``lat<=2ms``).

A subnet that breaks a constraint is infeasible. It never costs an expensive evaluation, and the samplers
rank it behind every feasible subnet (feasibility first, Deb 2000).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_space.errors import H4HError
from studies.study.amounts import AMOUNT, QUANTITIES, in_base_unit

OPERATORS = ("<=", ">=")

_SYNTAX = re.compile(
    r"\s*(?P<quantity>[A-Za-z_]\w*)\s*(?P<operator><=|>=)\s*"
    rf"{AMOUNT}\s*"
)


class ConstraintError(H4HError):
    """A constraint that cannot be read: bad syntax, or a limit that is no number."""


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
        return 1.0 if value is None else float(self.violations(np.array(value)))

    def violations(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """`violation` of many subnets at once, same shape as `values`."""
        excess = values - self.bound if self.operator == "<=" else self.bound - values
        with np.errstate(over="ignore"):  # Infinitely far from a limit near 0.
            return excess / (self.bound or 1.0)


def parse_constraint(text: str) -> Constraint:
    """Reads one constraint such as ``"lat<=2ms"``.

    Raises:
        ConstraintError: Bad syntax, or a negative limit.
        QuantityError: A unit that does not fit the quantity, or a limit that is not finite.
        UnknownNameError: A quantity that is none of `QUANTITIES`.
    """
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ConstraintError(
            f"constraint {text!r}: must be a quantity, {' or '.join(OPERATORS)}, a number and its unit, "
            f"such as 'lat<=2ms' or 'vit_blocks>=1' (quantities: {', '.join(QUANTITIES)})"
        )
    what = f"constraint {text!r}"
    bound, base = in_base_unit(match["quantity"], match["number"], match["unit"], what=what)
    if bound < 0:
        raise ConstraintError(f"{what}: the limit must not be negative")
    return Constraint(quantity=match["quantity"], operator=match["operator"], bound=bound, unit=base)
