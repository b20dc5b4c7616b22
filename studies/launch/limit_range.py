"""Limits that no network can satisfy, or that every network satisfies."""

from __future__ import annotations

from collections.abc import Sequence

from objectives.objective import Objective
from objectives.three_networks import Spread, holders_text
from search_space.families import Family
from search_space.space import Space
from search_space.subnet_sampling import has_family
from studies.design_space.design_space import DesignSpace
from studies.search.objective_range import objective_range
from studies.study.constraint import Constraint, ConstraintError

_MOST_PERCENT = 100.0


def check_possible(constraints: Sequence[Constraint]) -> None:
    """Refuses limits that no network of any space can satisfy.

    Raises:
        ConstraintError: Two limits exclude each other, or a share must exceed 100 %.
    """
    for limit in constraints:
        if limit.unit == "%" and limit.operator == ">=" and limit.bound > _MOST_PERCENT:
            raise ConstraintError(f"constraint {str(limit)!r}: no network can reach more than 100 %")
    families = dict.fromkeys(limit for limit in constraints if limit.family is not None)
    if len(families) > 1:
        first, second, *_ = families
        raise ConstraintError(
            f"constraints '{first}' and '{second}' exclude each other: leave out one of them"
        )
    for least in (limit for limit in constraints if limit.operator == ">="):
        for most in (limit for limit in constraints if limit.operator == "<="):
            if least.quantity == most.quantity and least.bound > most.bound:
                raise ConstraintError(
                    f"constraints '{most}' and '{least}' exclude each other: change one of them"
                )


def check_family(constraints: Sequence[Constraint], space: Space) -> None:
    """Refuses a family of which a search space has no network.

    Raises:
        ConstraintError: There is none.
    """
    for limit in constraints:
        if limit.family is not None and not has_family(space, limit.family):
            known = [member for member in Family if has_family(space, member)]
            raise ConstraintError(
                f"constraint '{limit}': space {space.name!r} has no network of this family; it has "
                f"{', '.join(known)}"
            )


def limit_lines(
    constraints: Sequence[Constraint],
    objectives: Sequence[Objective],
    space: DesignSpace,
    spreads: Sequence[Spread],
    added: Sequence[Constraint] = (),
) -> list[str]:
    """One line for each limit on a quantity: whether networks can hold it, as far as is known.

    A family needs no line, since a family without networks is refused.

    Args:
        constraints: The limits.
        objectives: Objectives of the study, and those that only a limit needs.
        space: The design space.
        spreads: Values of the smallest, middle and largest network; empty if these are not known.
        added: Those of `constraints` that the user did not state. They may well exclude none.
    """
    by_name = {objective.name: objective for objective in objectives}
    spread_by_name = {spread.name: spread for spread in spreads}
    lines = []
    for limit in constraints:
        objective, spread = by_name.get(limit.quantity), spread_by_name.get(limit.quantity)
        text = None
        if objective is not None and objective.follows_size and not objective.is_expensive:
            least, most = objective_range(objective, space)
            if limit in added and limit.violation(least) <= 0 and limit.violation(most) <= 0:
                continue
            text = _outside(limit, least, most)
        if text is None and spread is not None:
            text = _held(limit, spread)
        if text is None and objective is not None and objective.is_expensive:
            text = "not known before networks are measured"
        if text is not None:
            lines.append(f"limit {limit.short_text}: {text}")
    return lines


def _outside(limit: Constraint, least: float, most: float) -> str | None:
    """Statement on a limit outside the range from the smallest to the largest network; None inside."""
    ends = (("smallest", least), ("largest", most))
    is_upper = limit.operator == "<="
    (easy, easiest), (hard, hardest) = ends if is_upper else ends[::-1]
    if limit.violation(easiest) > 0:
        return f"the {easy} network has {limit.amount_text(easiest)}; probably none satisfies it"
    if limit.violation(hardest) <= 0:
        return f"the {hard} network has {limit.amount_text(hardest)}; it probably excludes none"
    return None


def _held(limit: Constraint, spread: Spread) -> str:
    holders = spread.holders(lambda value: limit.violation(value) <= 0)
    return f"{holders_text(holders)} it" if holders else "none of the three networks holds it; others may"
