"""A study: what is searched, for what, under which settings. Its evaluations stand beside it in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies import front
from studies.constraint import parse_constraint
from studies.evaluation import Evaluation
from studies.front import Floats


@dataclass(frozen=True)
class Goal:
    """One objective as the study names it.

    Attributes:
        name: E.g. ``lat``.
        unit: E.g. ``ms``.
        direction: ``"max"`` or ``"min"``.
    """

    name: str
    unit: str
    direction: str


@dataclass(frozen=True)
class Study:
    """Everything about a study but its evaluations. Never changes once it is stored.

    Attributes:
        name: Unique in its database.
        space: Name of the search space.
        space_definition: The space itself, as `Space.to_dict` gives it.
        goals: The objectives in the order given.
        constraints: As `parse_constraint` reads them.
        settings: The options the study was made with, for showing and repeating it.
        fingerprint: Everything that decides the result; see `studies.fingerprint`.
        ideal: Best value of each objective for the hypervolume, in natural values.
        reference: Worst value of each objective for the hypervolume, in natural values.
        created_at: UTC, ISO 8601.
    """

    name: str
    space: str
    space_definition: dict[str, Any]
    goals: tuple[Goal, ...]
    constraints: tuple[str, ...]
    settings: dict[str, Any]
    fingerprint: dict[str, str]
    ideal: tuple[float, ...]
    reference: tuple[float, ...]
    created_at: str

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the objectives in the order given."""
        return tuple(goal.name for goal in self.goals)

    @property
    def directions(self) -> tuple[str, ...]:
        """``"max"`` or ``"min"`` of each objective."""
        return tuple(goal.direction for goal in self.goals)

    @property
    def quantities(self) -> tuple[str, ...]:
        """What `values` and then `limited` of an evaluation are: objectives, and what constraints limit."""
        return (*self.objectives, *(parse_constraint(text).quantity for text in self.constraints))

    def losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Objective values of `evaluations`, shape (n, m), every column minimised; NaN where unknown."""
        values = np.array([evaluation.values for evaluation in evaluations], dtype=np.float64)
        return front.losses(values.reshape(len(evaluations), len(self.goals)), self.directions)

    def front(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """The feasible evaluations that no other one dominates, best in the first objective first."""
        feasible = [evaluation for evaluation in evaluations if evaluation.is_feasible]
        losses = self.losses(feasible)
        members = sorted(front.nondominated(losses), key=lambda row: (*losses[row], row))
        return [feasible[row] for row in members]

    def hypervolume(self, evaluations: Sequence[Evaluation]) -> float:
        """Hypervolume of the feasible ones of `evaluations`, 0 to 1, within this study's own bounds."""
        losses = self.losses(self.front(evaluations))
        ideal = front.losses(np.array(self.ideal), self.directions)
        reference = front.losses(np.array(self.reference), self.directions)
        return front.hypervolume(losses, ideal, reference)
