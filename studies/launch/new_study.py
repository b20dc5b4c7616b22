"""A study that does not exist yet: its bounds, its fingerprint and the versions that its values depend on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from objectives.objective import Objective
from objectives.tabled.tabled_objective import TabledObjective
from search_space.arrays import Floats
from search_space.genotype import to_text
from studies.design_space.design_space import DesignSpace
from studies.launch.plan import Plan
from studies.launch.plan_objects import Objectives, processor_of
from studies.search.objective_range import objective_range
from studies.search.racing import FINGERPRINT as RACING
from studies.study.fingerprint import fingerprint
from studies.study.hypervolume import bounds
from studies.study.sampler_rules import sampler_rules
from studies.study.software import versions_in
from studies.study.study import Goal, Study
from studies.study.warm_start_sources import CARRIED


def make_software(plan: Plan, objectives: Objectives) -> dict[str, str]:
    """Versions of libraries, and the kind of processor, by which values of `plan` round."""
    measuring = processor_of([*objectives.goals, *objectives.limited])
    return versions_in(make_fingerprint(plan, objectives)) | measuring


def make_fingerprint(plan: Plan, objectives: Objectives) -> dict[str, str]:
    """Fingerprint of `plan`: everything that decides its result."""
    return fingerprint(
        space=plan.space,
        objectives=objectives.goals,
        constraints=plan.constraints,
        limited=objectives.limited,
        sampler=plan.search.sampler,
        population=plan.search.population,
        seed=plan.search.seed,
        search=plan.search.fingerprint() | sampler_rules(plan.search.sampler, plan.constraints),
        racing=RACING if plan.settings.racing else None,
    )


def _range(goal: Objective, space: DesignSpace) -> tuple[float, float]:
    return goal.range if isinstance(goal, TabledObjective) else objective_range(goal, space)


def _box(
    plan: Plan, extremes: Floats, directions: Sequence[str], units: Sequence[str]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Ideal and reference of a new study: the bounds of the space, then the values of interest."""
    ideal, reference = bounds(extremes, directions, units, scale=plan.search.scale)
    if plan.search.window is None:
        return tuple(ideal.tolist()), tuple(reference.tolist())
    return plan.search.window.applied(ideal.tolist(), reference.tolist(), plan.names, directions)


def make_study(plan: Plan, objectives: Objectives) -> Study:
    """The study of `plan`, not yet stored.

    Raises:
        EvaluationError: An objective returns no finite value for a network that its bounds need.
    """
    goals = objectives.goals
    # The bounds of a percentage are fixed, so the accuracy is not measured here.
    columns = [(np.nan, np.nan) if goal.unit == "%" else _range(goal, plan.space) for goal in goals]
    directions = [goal.direction for goal in goals]
    ideal, reference = _box(plan, np.array(columns).T, directions, [goal.unit for goal in goals])
    return Study(
        name=plan.study,
        space=plan.space.name,
        space_definition=plan.space.to_dict(),
        goals=tuple(Goal(goal.name, goal.unit, goal.direction) for goal in goals),
        constraints=tuple(map(str, plan.constraints)),
        settings={**plan.settings.stored(), CARRIED: list(map(to_text, plan.search.carried))},
        fingerprint=make_fingerprint(plan, objectives),
        ideal=ideal,
        reference=reference,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
