"""Limits that no network can satisfy, or that every network satisfies."""

from __future__ import annotations

from collections.abc import Sequence

from objectives.objective import Objective
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


def limit_notes(
    constraints: Sequence[Constraint],
    objectives: Sequence[Objective],
    space: DesignSpace,
    added: Sequence[Constraint] = (),
) -> list[str]:
    """One line for each limit outside the range from the smallest to the largest network.

    Only quantities that follow size and are quick to compute have such a range.

    Args:
        constraints: The limits.
        objectives: Objectives of the study, and those that only a limit needs.
        space: The design space.
        added: Those of `constraints` that the user did not state. They may well exclude none.
    """
    ranged = {
        objective.name: objective
        for objective in objectives
        if objective.follows_size and not objective.is_expensive
    }
    notes = []
    for limit in constraints:
        if limit.quantity not in ranged:
            continue
        least, most = objective_range(ranged[limit.quantity], space)
        ends = (("smallest", least), ("largest", most))
        is_upper = limit.operator == "<="
        (easy, easiest), (hard, hardest) = ends if is_upper else ends[::-1]
        if limit.violation(easiest) > 0:
            effect = "probably none satisfies it"
            notes.append(
                f"limit {limit.short_text}: the {easy} network has {limit.amount_text(easiest)}; {effect}"
            )
        elif limit.violation(hardest) <= 0 and limit not in added:
            effect = "it probably excludes none"
            notes.append(
                f"limit {limit.short_text}: the {hard} network has {limit.amount_text(hardest)}; {effect}"
            )
    return notes
