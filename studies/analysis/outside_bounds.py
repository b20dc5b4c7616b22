"""Members of a front outside the bounds of the hypervolume.

Bounds are fixed when a study is created, since resume must repeat every decision. A search may find a value
beyond them. The hypervolume counts such a value as if it lay at the bound, so it underestimates the front.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.study.evaluation import Evaluation
from studies.study.hypervolume import scaled
from studies.study.study import Study


def outside_bounds(study: Study, evaluations: Sequence[Evaluation]) -> list[str]:
    """One line for each objective in which members of the front lie outside the bounds."""
    front = study.front(evaluations)
    shares = scaled(study.losses(front), *study.box)
    lines = []
    for column, goal in enumerate(study.goals):
        outside = int(((shares[:, column] < 0) | (shares[:, column] > 1)).sum())
        if outside:
            low, high = sorted((study.ideal[column], study.reference[column]))
            lines.append(
                f"{goal.name} of {outside} of {len(front)} front members lies outside {low:.4g} to "
                f"{high:.4g} {goal.unit}; the hypervolume counts it as if it lay at that bound"
            )
    return lines
