"""A study: what is searched, for what, under which settings. Its evaluations stand beside it in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.hardware.chip import Chip
from search_space.genotype import Genotype
from search_space.space import Space
from studies.design_space.joint_space import HARDWARE, JointSpace, chip_of, network_genes, read_space
from studies.study import pareto_front as front
from studies.study.constraint import parse_constraint
from studies.study.evaluation import Evaluation, violations
from studies.study.pareto_front import Floats

if TYPE_CHECKING:
    from studies.presentation.notebook_study import LoadedStudy


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
        space_definition: The space itself, as `Space.to_dict` gives it, with the choices of hardware if
            chips are searched as well.
        goals: The objectives in the order given.
        constraints: As `parse_constraint` reads them.
        settings: The options the study was made with, for showing and repeating it.
        fingerprint: Everything that decides the result; see `studies.study.fingerprint`.
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

    @classmethod
    def load(cls, database: str | Path, name: str) -> LoadedStudy:
        """A study with its evaluations, for a notebook or a script.

        Args:
            database: SQLite file of the study.
            name: The study in it.

        Raises:
            StoreError: The database is missing or damaged.
            UnknownNameError: It holds no such study.
        """
        # Both stand on this class.
        from studies.presentation.notebook_study import LoadedStudy
        from studies.storage.store import open_store

        with open_store(Path(database)) as store:
            return LoadedStudy(store.study(name), tuple(store.evaluations(name)))

    @cached_property
    def search_space(self) -> Space:
        """What its genotypes mean; a `JointSpace` where chips are searched with the networks.

        Raises:
            DocumentError: The stored definition is damaged.
        """
        return read_space(self.space_definition, source=f"space of study {self.name!r}")

    @property
    def hardware_choices(self) -> tuple[str, ...]:
        """Names of what is searched of the chip; empty where all networks run on one."""
        if HARDWARE not in self.space_definition:
            return ()
        assert isinstance(self.search_space, JointSpace)
        return tuple(self.search_space.hardware.choices)

    def network(self, genotype: Genotype) -> Genotype:
        """The genotype of the network alone."""
        return network_genes(self.search_space, genotype) if self.hardware_choices else genotype

    def chip(self, genotype: Genotype) -> Chip:
        """The chip that `genotype` names, as far as it is searched."""
        return chip_of(self.search_space, genotype) if self.hardware_choices else Chip()

    def chosen_hardware(self, genotype: Genotype) -> dict[str, int | None]:
        """What `genotype` chooses of its chip, by name: ``macros``, ``units`` (None without macros)."""
        chip = self.chip(genotype)
        return {name: getattr(chip, name) for name in self.hardware_choices}

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
        """The feasible evaluations that no other one dominates, best in the first objective first.

        Those that racing stopped are not among them: one that is dominates each of them.
        """
        feasible = [one for one in evaluations if one.is_feasible and not one.is_bound]
        losses = self.losses(feasible)
        members = sorted(front.nondominated(losses), key=lambda row: (*losses[row], row))
        return [feasible[row] for row in members]

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Ideal and reference as losses, each of shape (m,)."""
        ideal, reference = np.array(self.ideal), np.array(self.reference)
        return front.losses(ideal, self.directions), front.losses(reference, self.directions)

    def scaled(self, values: Floats) -> Floats:
        """Natural values of shape (n, m) as losses: 0 at the ideal, 1 at the reference; not clipped."""
        return front.scaled(front.losses(values, self.directions), *self.box)

    def scaled_losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Losses of `evaluations`, scaled like `scaled`; NaN where unknown."""
        return front.scaled(self.losses(evaluations), *self.box)

    def violations(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Shape (n, k): how far each evaluation breaks each constraint; at most 0 where it holds."""
        return violations(evaluations, [parse_constraint(text) for text in self.constraints])

    def hypervolume(self, evaluations: Sequence[Evaluation]) -> float:
        """Hypervolume of the feasible ones of `evaluations`, 0 to 1, within this study's own bounds."""
        return front.hypervolume(self.losses(self.front(evaluations)), *self.box)

    def contributions(self, members: Sequence[Evaluation]) -> list[float]:
        """For each member of a front, how much hypervolume would be lost without it."""
        return [float(one) for one in front.contributions(self.losses(members), *self.box)]

    def spread(self, members: Sequence[Evaluation], count: int) -> list[int]:
        """Which members of a front stay when only `count` may; those go that add least hypervolume."""
        return front.spread(self.losses(members), *self.box, count)
