"""Members of a front outside the bounds of the hypervolume.

Bounds are set when a study is made and never change, since resume must repeat every decision. A search may
find a value beyond them. The hypervolume counts it as if it were at the bound, so it says too little of the
front.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.study.evaluation import Evaluation
from studies.study.study import Study


def outside_bounds(study: Study, evaluations: Sequence[Evaluation]) -> list[str]:
    """One line for each objective in which members of the front lie outside the bounds; empty if none do."""
    front = study.front(evaluations)
    scaled = study.scaled_losses(front)
    lines = []
    for column, goal in enumerate(study.goals):
        outside = int(((scaled[:, column] < 0) | (scaled[:, column] > 1)).sum())
        if outside:
            low, high = sorted((study.ideal[column], study.reference[column]))
            lines.append(
                f"{goal.name} of {outside} of {len(front)} front members lies outside {low:.4g} to "
                f"{high:.4g} {goal.unit}: the hypervolume counts it as if it were at that bound"
            )
    return lines
