"""Members of a front with equal objective values, which are alternatives to each other."""

from __future__ import annotations

from collections.abc import Sequence

from studies.study.evaluation import Evaluation
from studies.study.study import Study

_SHOWN = 5
"""Number of ids that a line names."""


def equal_groups(front: Sequence[Evaluation]) -> list[list[Evaluation]]:
    """Groups of at least two members with the same values in every objective, in the order of the front."""
    groups: dict[tuple[float | None, ...], list[Evaluation]] = {}
    for member in front:
        groups.setdefault(member.values, []).append(member)
    return [group for group in groups.values() if len(group) > 1]


def ties_line(study: Study, front: Sequence[Evaluation]) -> str | None:
    """One line that counts the members with equal values; None if all differ."""
    groups = equal_groups(front)
    if not groups:
        return None
    largest = max(groups, key=len)
    ids = ", ".join(str(member.index) for member in largest[:_SHOWN])
    ids += ", ..." if len(largest) > _SHOWN else ""
    names = " and ".join(study.objectives)
    distinct = len({member.values for member in front})
    return (
        f"the {len(front)} members of the front have {distinct} different values of {names}; ids {ids} are "
        f"equal: choose among them by size"
    )
