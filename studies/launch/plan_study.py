"""The study that a plan describes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from search_space.genotype import to_text
from studies.design_space.joint_space import corners
from studies.launch.assembly import Objectives
from studies.launch.options import DEFAULTS
from studies.launch.plan import Plan
from studies.launch.search_options import CARRIED
from studies.search.racing import FINGERPRINT as RACING
from studies.study.evaluation import measure
from studies.study.fingerprint import fingerprint
from studies.study.pareto_front import bounds
from studies.study.study import Goal, Study


def make_fingerprint(plan: Plan, objectives: Objectives) -> dict[str, str]:
    """What decides the result of `plan`."""
    return fingerprint(
        space=plan.space,
        objectives=objectives.goals,
        constraints=plan.constraints,
        limited=objectives.limited,
        sampler=plan.search.sampler,
        population=plan.search.population,
        seed=plan.search.seed,
        search=plan.search.fingerprint(),
        racing=RACING if plan.options.racing else None,
    )


def make_study(plan: Plan, objectives: Objectives) -> Study:
    """The study that `plan` describes, not yet stored.

    Raises:
        EvaluationError: An objective gives no finite value for the smallest or the largest subnet on one of
            the chips.
    """
    goals = objectives.goals
    extremes = corners(plan.space)
    columns = [
        # A percentage has bounds of its own, which spares two evaluations of the accuracy.
        [np.nan] * len(extremes) if goal.unit == "%" else measure(goal, plan.space, extremes)
        for goal in goals
    ]
    directions = [goal.direction for goal in goals]
    ideal, reference = bounds(np.array(columns).T, directions, [goal.unit for goal in goals])
    return Study(
        name=plan.study,
        space=plan.space.name,
        space_definition=plan.space.to_dict(),
        goals=tuple(Goal(goal.name, goal.unit, goal.direction) for goal in goals),
        constraints=tuple(map(str, plan.constraints)),
        settings={
            **{name: _plain(getattr(plan.options, name)) for name in DEFAULTS},
            CARRIED: list(map(to_text, plan.search.carried)),
        },
        fingerprint=make_fingerprint(plan, objectives),
        ideal=tuple(map(float, ideal)),
        reference=tuple(map(float, reference)),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
