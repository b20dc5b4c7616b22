"""Studies in a comparison: their common objectives, and one box for the hypervolume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from search_space.errors import H4HError
from studies.analysis.resampled_gains import CurveWindow
from studies.study.cost_scale import LOG
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study
from studies.study.value_window import ValueWindow

QUALITY, COSTS = "acc", ("lat", "energy")


class ComparisonError(H4HError):
    """Studies without a common objective."""


@dataclass(frozen=True)
class Contender:
    """A study in a comparison.

    Attributes:
        name: Name that the user gave.
        study: The study.
        evaluations: All evaluations of the study, in order.
    """

    name: str
    study: Study
    evaluations: tuple[Evaluation, ...]

    @property
    def front(self) -> list[Evaluation]:
        """Members of its Pareto front."""
        return self.study.front(self.evaluations)

    def front_after(self, evaluations: int) -> list[Evaluation]:
        """Members of the Pareto front of the first `evaluations`."""
        return self.study.front(self.evaluations[:evaluations])

    def hypervolume(self, evaluations: int | None = None) -> float:
        """Hypervolume of the front of the first `evaluations`; of all evaluations by default."""
        return self.study.hypervolume(self.evaluations[:evaluations])


@dataclass(frozen=True)
class Box:
    """Wishes for the box that studies are compared in.

    Attributes:
        scale: Scale of costs; None for that of the studies, or logarithmic where they differ.
        window: Values of interest; None for the bounds of the studies.
    """

    scale: str | None = None
    window: ValueWindow | None = None

    def curve_window(self, cost: str) -> CurveWindow:
        """The part of curves of accuracy against `cost` inside the window."""
        ranges = {} if self.window is None else self.window.ranges
        return CurveWindow(ranges.get(cost), ranges.get(QUALITY))


BOX = Box()
"""The box that the studies share."""


def aligned(contenders: Sequence[Contender], box: Box = BOX) -> list[Contender]:
    """The same studies, reduced to their common objectives and given one box.

    Args:
        contenders: The studies.
        box: Wishes for the box.

    Raises:
        ComparisonError: The studies have no common objective.
    """
    goals = [
        goal
        for goal in contenders[0].study.goals
        if all(goal in contender.study.goals for contender in contenders)
    ]
    if not goals:
        named = "; ".join(
            f"{contender.name}: {', '.join(map(goal_text, contender.study.goals))}"
            for contender in contenders
        )
        raise ComparisonError(
            f"the studies have no objective in common ({named}): choose studies that share one"
        )
    ideals, references = (
        np.array([[_bound(contender.study, goal, bound) for goal in goals] for contender in contenders])
        for bound in ("ideal", "reference")
    )
    is_max = np.array([goal.direction == "max" for goal in goals])
    ideal = np.where(is_max, ideals.max(axis=0), ideals.min(axis=0))
    reference = np.where(is_max, references.min(axis=0), references.max(axis=0))
    ends = tuple(ideal.tolist()), tuple(reference.tolist())
    if box.window is not None:
        names, directions = ([getattr(goal, key) for goal in goals] for key in ("name", "direction"))
        ends = box.window.applied(*ends, names, directions)
    scales = {contender.study.scale for contender in contenders}
    scale = box.scale or (scales.pop() if len(scales) == 1 else LOG)
    return [_reduced(contender, goals, *ends, scale) for contender in contenders]


def _bound(study: Study, goal: Goal, bound: str) -> float:
    value: float = getattr(study, bound)[study.goals.index(goal)]
    return value


def _reduced(
    contender: Contender,
    goals: Sequence[Goal],
    ideal: tuple[float, ...],
    reference: tuple[float, ...],
    scale: str,
) -> Contender:
    columns = [contender.study.goals.index(goal) for goal in goals]
    study = replace(
        contender.study,
        goals=tuple(goals),
        ideal=ideal,
        reference=reference,
        settings={**contender.study.settings, "scale": scale},
    )
    rows = (
        replace(evaluation, values=tuple(evaluation.values[column] for column in columns))
        for evaluation in contender.evaluations
    )
    return Contender(contender.name, study, tuple(rows))


def goal_text(goal: Goal) -> str:
    """E.g. ``lat [ms, min]``."""
    return f"{goal.name} [{goal.unit}, {goal.direction}]"
