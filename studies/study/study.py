"""A study: space, objectives, constraints, settings and fingerprint. The store keeps its evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from objectives.hardware.chip import Chip
from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.design_space.chip_choices import ChipChoices
from studies.design_space.design_space import DesignSpace, is_tabled, read_chips, read_design_space
from studies.study import hypervolume as volume
from studies.study import pareto_front as front
from studies.study.constraint import Constraint, parse_any_constraint
from studies.study.cost_scale import LINEAR, LOG, cost_scales, logarithmic
from studies.study.evaluation import Evaluation, violations


@dataclass(frozen=True)
class Goal:
    """One objective of a study.

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
    """Everything about a study except its evaluations. Never changes once it is stored.

    Example:
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=4, generations=1)
        >>> study = run_study(settings, database="studies.db").study
        >>> study.objectives, study.directions, study.search_space.name
        (('macs', 'lat'), ('min', 'min'), 'cifar32')

    Attributes:
        name: Unique in its database.
        space: Name of the search space.
        space_definition: The space as `to_dict` returns it, with the choices of hardware if chips are
            searched as well.
        goals: The objectives in the order given.
        constraints: As `parse_constraint` reads them.
        settings: Settings of the study, as `StudySettings.stored` returns them.
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

    @cached_property
    def search_space(self) -> DesignSpace:
        """The design space that its genotypes belong to.

        Raises:
            DocumentError: The stored definition is damaged.
        """
        return read_design_space(self.space_definition, source=self._space_source)

    @cached_property
    def chips(self) -> ChipChoices:
        """The chips that networks may run on; readable even if the search space is damaged.

        Raises:
            DocumentError: The stored choices are damaged.
        """
        return read_chips(self.space_definition, source=self._space_source)

    @property
    def knows_networks(self) -> bool:
        """Whether its networks have blocks and sizes; not so if an accuracy table gave the search space."""
        return not is_tabled(self.space_definition)

    @property
    def _space_source(self) -> str:
        return f"space of study {self.name!r}"

    @property
    def hardware_choices(self) -> tuple[str, ...]:
        """Names of the numbers of the chip that are searched; empty for a fixed chip."""
        return tuple(self.chips.choices)

    def network(self, genotype: Genotype) -> Genotype:
        """The genotype of the network alone."""
        return genotype[: len(genotype) - len(self.chips.genes)]

    def chip(self, genotype: Genotype) -> Chip:
        """The searched numbers of the chip of `genotype`."""
        return self.chips.decode(genotype[len(self.network(genotype)) :])

    def chosen_hardware(self, genotype: Genotype) -> dict[str, int | None]:
        """Searched numbers of the chip by name: ``macros``, ``units`` (None without macros)."""
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

    @cached_property
    def limits(self) -> tuple[Constraint, ...]:
        """The constraints, parsed."""
        return tuple(map(parse_any_constraint, self.constraints))

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of `values` and then `limited` of an evaluation: objectives, then limited quantities."""
        return (*self.objectives, *(limit.quantity for limit in self.limits))

    def losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Objective values of `evaluations` as losses, shape (n, m); NaN where unknown."""
        values = np.array([evaluation.values for evaluation in evaluations], dtype=np.float64)
        return front.losses(values.reshape(len(evaluations), len(self.goals)), self.directions)

    def front(self, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
        """The feasible evaluations that no other one dominates, best in the first objective first.

        It has no subnet that racing stopped, since members of the front dominate all of those.
        """
        feasible = [
            evaluation for evaluation in evaluations if evaluation.is_feasible and not evaluation.is_bound
        ]
        losses = self.losses(feasible)
        members = sorted(front.nondominated(losses), key=lambda row: (*losses[row], row))
        return [feasible[row] for row in members]

    @property
    def box(self) -> tuple[Floats, Floats]:
        """Ideal and reference as losses, each of shape (m,)."""
        ideal, reference = np.array(self.ideal), np.array(self.reference)
        return front.losses(ideal, self.directions), front.losses(reference, self.directions)

    @property
    def scale(self) -> str:
        """Scale of costs in the box, one of `SCALES`; linear in studies from before the setting."""
        return str(self.settings.get("scale") or LINEAR)

    @cached_property
    def cost_scales(self) -> dict[int, float]:
        """Least cost of the box as a share of the greatest one, by column of the objective."""
        return cost_scales(self.ideal, self.reference, self.directions)

    def scaled(self, values: Floats) -> Floats:
        """Natural values of shape (n, m) as losses: 0 at the ideal, 1 at the reference; not clipped.

        With a logarithmic scale, costs below the ideal are 0.
        """
        return self._in_box(front.losses(values, self.directions))

    def scaled_losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Losses of `evaluations`, scaled like `scaled`; NaN where unknown."""
        return self._in_box(self.losses(evaluations))

    def _in_box(self, losses: Floats) -> Floats:
        shares = volume.scaled(losses, *self.box)
        return logarithmic(shares, self.cost_scales) if self.scale == LOG else shares

    def violations(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Violation of each constraint by each evaluation, shape (n, k); at most 0 if it holds."""
        return violations(evaluations, self.limits)

    def broken(self, evaluation: Evaluation) -> list[Constraint]:
        """The constraints that an evaluation violates by a measured value, in order."""
        return [
            limit
            for limit, value in zip(self.limits, evaluation.limited, strict=True)
            if value is not None and limit.violation(value) > 0
        ]

    def hypervolume(self, evaluations: Sequence[Evaluation]) -> float:
        """Hypervolume of the feasible `evaluations`, 0 to 1, within this study's own bounds."""
        return volume.hypervolume(self.scaled_losses(self.front(evaluations)), *self._corners)

    def contributions(self, members: Sequence[Evaluation]) -> list[float]:
        """Hypervolume that would be lost without each member of a front."""
        gains = volume.contributions(self.scaled_losses(members), *self._corners)
        return [float(gain) for gain in gains]

    def spread(self, members: Sequence[Evaluation], count: int) -> list[int]:
        """Rows of the `count` members of a front that remain when the least contributors are removed."""
        return volume.spread(self.scaled_losses(members), *self._corners, count)

    @property
    def _corners(self) -> tuple[Floats, Floats]:
        """Ideal and reference of scaled losses."""
        return np.zeros(len(self.goals)), np.ones(len(self.goals))
