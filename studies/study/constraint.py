"""Constraints: limits on the cost of a subnet, written with their unit (``lat<=2ms``).

A limit may also be a share of the largest network of the space (``macs<=60%``, ``lat<=0.5x``). Reading it
gives the number, so a study stores and compares numbers only.

A subnet that violates a constraint is infeasible. Its expensive objectives are not measured, and samplers
rank it behind every feasible subnet (feasibility first, Deb 2000).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import MappingProxyType

import numpy as np

from search_space.arrays import Floats
from search_space.errors import H4HError, UnknownNameError
from search_space.families import Family
from search_space.family_distance import FAMILY
from studies.study.quantity_units import AMOUNT, QuantityError, Units, in_base_unit, is_count, known_units

OPERATORS = ("<=", ">=")

_SYNTAX = re.compile(
    r"\s*(?P<quantity>[A-Za-z_]\w*)\s*(?P<operator><=|>=)\s*"
    rf"{AMOUNT}\s*(?:@\s*(?P<rate>\d+\.?\d*|\.\d+)\s*fps\s*)?"
)
RATED = "power"
"""The quantity that a constraint may limit at a frame rate."""
_LEAST_FPS, _MOST_FPS = 1e-6, 1e9


_FAMILY_SYNTAX = re.compile(r"\s*family\s*=\s*(?P<family>[^\s=<>]*)\s*")

CHIP_LIMIT = "sram<=chip"
"""Text of the constraint that a network's activations fit the SRAM of the study's chip."""
CHIP_LIMITS = {CHIP_LIMIT: ("sram", "B"), "params<=chip": ("params", "")}
"""Texts of the constraints by the chip's memories, with quantity and unit; a weight takes one byte."""

SHARE_UNITS = {"%": Decimal("0.01"), "x": Decimal(1)}
"""Units of a share of the largest network, as factors. A quantity that has such a unit itself keeps it."""

LargestValue = Callable[[str], float]
"""Gives the value of the largest network for the name of a quantity, in its base unit. It raises an
`H4HError` if there is no such value."""


class ConstraintError(H4HError):
    """A constraint that cannot be read: bad syntax, or a limit that is no number."""


@dataclass(frozen=True)
class Constraint:
    """One limit.

    Attributes:
        quantity: The limited quantity: name of an objective, a count such as ``vit_blocks``, the power at a
            frame rate, ``power@30fps``, or the distance to a family in blocks, ``family=cnn``.
        operator: ``"<="`` or ``">="``.
        bound: The limit, in `unit`.
        unit: Unit in which the quantity is measured; empty for a count.
    """

    quantity: str
    operator: str
    bound: float
    unit: str

    def __str__(self) -> str:
        """The text that `parse_constraint` reads; equal constraints have equal texts."""
        if self.family is not None:
            return self.quantity if self.bound == 0 else f"{self.quantity} within {self.bound:g} blocks"
        bound = int(self.bound) if self.bound.is_integer() and self.bound < 2**53 else self.bound
        quantity, at, rate = self.quantity.partition("@")
        return f"{quantity}{self.operator}{bound}{self.unit}{at}{rate}"

    @property
    def short_text(self) -> str:
        """The text with at most six digits, for messages that nobody reads back."""
        if self.family is not None or self.bound.is_integer():
            return str(self)
        quantity, at, rate = self.quantity.partition("@")
        return f"{quantity}{self.operator}{self.bound:.6g}{self.unit}{at}{rate}"

    @property
    def family(self) -> Family | None:
        """Family of networks that the limit admits; None for a limit on a quantity."""
        return Family(self.quantity.removeprefix(FAMILY)) if self.quantity.startswith(FAMILY) else None

    @property
    def frame_limit(self) -> Constraint | None:
        """For a limit at a frame rate that an inference takes no longer than a frame."""
        _, _, rate = self.quantity.partition("@")
        return Constraint("lat", "<=", 1e3 / float(rate.removesuffix("fps")), "ms") if rate else None

    def amount_text(self, value: float) -> str:
        """A value of the quantity with its unit, for messages."""
        text = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
        return f"{text} {self.unit}".rstrip()

    def violation(self, value: float | None) -> float:
        """Violation of the limit by `value`, as a share of the limit; at most 0 if the limit holds.

        Args:
            value: The quantity of one subnet in `unit`. None (not measured, since the subnet is infeasible)
                counts as a violation by the whole limit, so that no unmeasured subnet looks better than a
                measured one.
        """
        return 1.0 if value is None else float(self.violations(np.array(value)))

    def violations(self, values: Floats) -> Floats:
        """`violation` of many subnets at once, same shape as `values`."""
        excess = values - self.bound if self.operator == "<=" else self.bound - values
        with np.errstate(over="ignore"):  # The violation of a limit near 0 may be infinite.
            return excess / (self.bound or 1.0)


def all_hold(constraints: Iterable[Constraint], values: Mapping[str, float | None]) -> bool:
    """Whether every constraint holds for a subnet with these quantities; one that is missing violates it."""
    return all(constraint.violation(values.get(constraint.quantity)) <= 0 for constraint in constraints)


def parse_constraint(
    text: str,
    own_units: Mapping[str, str] = MappingProxyType({}),
    *,
    chip_bounds: Mapping[str, float] = MappingProxyType({}),
    largest: LargestValue | None = None,
) -> Constraint:
    """Reads one constraint such as ``"lat<=2ms"``.

    Args:
        text: A quantity, an operator, a number and its unit, for power with a frame rate if wanted
            (``power<=20mW@30fps``); a share of the largest network (``macs<=60%``, ``lat<=0.5x``); a family
            of networks (``family=cnn-then-vit``); or one of `CHIP_LIMITS`.
        own_units: Units of user-defined objectives, by name.
        chip_bounds: Bounds by the chip's memories, by quantity; without one, its text is refused.
        largest: Values of the largest network; without them, a share is refused.

    Raises:
        ConstraintError: The syntax is wrong, the limit is negative, or it is a share without `largest`.
        QuantityError: The unit does not fit the quantity, or the limit is not finite.
        UnknownNameError: The quantity is neither built in nor in `own_units`, or there is no such family.
    """
    if (family := _family(text)) is not None:
        return Constraint(FAMILY + family, "<=", 0.0, "blocks")
    quantity, unit = CHIP_LIMITS.get("".join(text.split()), ("", ""))
    if quantity in chip_bounds:
        return Constraint(quantity, "<=", chip_bounds[quantity], unit)
    match = _match(text)
    source = f"constraint {text!r}"
    quantities = known_units(own_units)
    rate = _rate(match, source)
    if _is_share(match, quantities):
        bound, base = _shared_bound(match, source, quantities, largest)
    else:
        bound, base = in_base_unit(
            match["quantity"], match["number"], match["unit"], source=source, quantities=quantities
        )
    if bound < 0:
        raise ConstraintError(f"{source}: the limit must not be negative")
    return Constraint(match["quantity"] + rate, match["operator"], bound, base)


def is_share(text: str, own_units: Mapping[str, str] = MappingProxyType({})) -> bool:
    """Whether a text limits a quantity to a share of the largest network.

    Args:
        text: As `parse_constraint` reads it.
        own_units: Units of user-defined objectives, by name.
    """
    match = _SYNTAX.fullmatch(text)
    return match is not None and _is_share(match, known_units(own_units))


def _is_share(match: re.Match[str], quantities: Mapping[str, Units]) -> bool:
    units = quantities.get(match["quantity"])
    return units is not None and match["unit"] in SHARE_UNITS and match["unit"] not in units


def _shared_bound(
    match: re.Match[str], source: str, quantities: Mapping[str, Units], largest: LargestValue | None
) -> tuple[float, str]:
    """A share of the largest network as a number in the base unit of the quantity, and that unit.

    Shares are decimals, so that ``60%`` and ``0.6x`` are the same limit. A count is rounded to the last whole
    number that holds the limit.

    Raises:
        ConstraintError: `largest` is None.
        QuantityError: The share is not finite.
        H4HError: `largest` has no such value.
    """
    quantity = match["quantity"]
    base = next(name for name, factor in quantities[quantity].items() if factor == 1.0)
    number, _ = in_base_unit(quantity, match["number"], base, source=source, quantities=quantities)
    if largest is None:
        raise ConstraintError(
            f"{source}: only studies.run takes a share of the largest network; write the limit with its unit"
        )
    share = Decimal(match["number"]) * SHARE_UNITS[match["unit"]] if number else Decimal(0)
    bound = share * Decimal(largest(quantity))
    if is_count(quantity, quantities):
        rounding = ROUND_FLOOR if match["operator"] == "<=" else ROUND_CEILING
        bound = bound.to_integral_value(rounding)
    if math.isinf(float(bound)):
        raise QuantityError(f"{source}: the limit is not a finite number")
    return float(bound), base


def _rate(match: re.Match[str], source: str) -> str:
    """End of the name of a quantity at a frame rate, such as ``@30fps``; empty without a rate.

    Raises:
        ConstraintError: The rate is 0 or huge, or the quantity has none.
    """
    if match["rate"] is None:
        return ""
    if match["quantity"] != RATED:
        raise ConstraintError(
            f"{source}: only {RATED} may be limited at a frame rate, such as '{RATED}<=20mW@30fps', but got "
            f"{match['quantity']}"
        )
    rate = float(match["rate"])
    if not _LEAST_FPS <= rate <= _MOST_FPS:
        raise ConstraintError(
            f"{source}: the frame rate must be {_LEAST_FPS:g} to {_MOST_FPS:g} fps, but got {match['rate']}"
        )
    return f"@{rate:.12g}fps"


def parse_any_constraint(text: str, *, largest: LargestValue | None = None) -> Constraint:
    """Reads a constraint on any quantity. One that is not built in has the unit of the text.

    So constraints of stored studies, and on objectives that do not exist yet, can be read as well.

    Args:
        text: As `parse_constraint` reads it.
        largest: Values of the largest network; without them, a share is refused.

    Raises:
        H4HError: As for `parse_constraint`.
    """
    if _family(text) is not None:
        return parse_constraint(text)
    match = _match(text)
    is_built_in = match["quantity"] in known_units()
    own_units = {} if is_built_in else {match["quantity"]: match["unit"]}
    return parse_constraint(text, own_units, largest=largest)


def limited_quantity(text: str) -> str:
    """Name of the quantity that a constraint limits, without frame rate, before chip and space are known.

    Raises:
        H4HError: As for `parse_constraint`.
    """
    known = CHIP_LIMITS.get("".join(text.split()))
    if known is not None:
        return known[0]
    return parse_any_constraint(text, largest=lambda _: 1.0).quantity.partition("@")[0]


def _family(text: str) -> str | None:
    """Name of the family that a text limits networks to; None for a limit on a quantity.

    Raises:
        UnknownNameError: There is no such family.
    """
    match = _FAMILY_SYNTAX.fullmatch(text)
    if match is None:
        return None
    families = [str(member) for member in Family]
    if match["family"] not in families:
        raise UnknownNameError("family", match["family"], families)
    return match["family"]


def _match(text: str) -> re.Match[str]:
    match = _SYNTAX.fullmatch(text)
    if match is None:
        raise ConstraintError(
            f"constraint {text!r}: must be a quantity, {' or '.join(OPERATORS)}, a number and its unit, "
            f"such as 'lat<=2ms', 'vit_blocks>=1' or 'macs<=60%', 'family=cnn', or "
            f"{' or '.join(CHIP_LIMITS)} "
            f"(quantities: {', '.join(known_units())})"
        )
    return match
