"""Base class of all samplers, and the context that they are made from.

A sampler is a pure function of its settings and of the evaluations it was told. Resume depends on that: it
runs the sampler again from the start on the evaluations in the table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.samplers.archive import Archive
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Study

SAMPLING_ROUNDS = 100
"""How many draws per network wanted a sampler takes before it turns to neighbours of known ones."""


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """What samplers are made from.

    Example:
        >>> from studies import Sampler
        >>> class Largest(Sampler):
        ...     version = "1"
        ...     def __init__(self, context):
        ...         super().__init__(context)
        ...         self._most = context.space.largest()
        ...     def _propose(self, count):
        ...         return [self._most] * count
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs",), sampler="Largest", population=4, generations=1)
        >>> len(run_study(settings, database="studies.db", samplers=[Largest]).evaluations())
        4

    Attributes:
        space: What is searched.
        study: Objectives, constraints and bounds; turns evaluations into losses and violations.
        population: Subnets per generation, at least 2.
        seed: Decides every draw.
        first: Canonical genotypes that the first generation holds behind the smallest and the largest
            network; at most `population` - 2.
        preferences: Preferred values of all objectives, in their units and order; for samplers that
            search near given points.
        exact: Exact quantities of any designs without measuring them, for samplers that search many; without
            it such a sampler has to predict them.
        network_only: Names of quantities that do not depend on the chip, so that a value holds for the
            network on every chip. Any other quantity is taken to depend on the chip.
    """

    space: DesignSpace
    study: Study
    population: int
    seed: int
    first: tuple[Genotype, ...] = ()
    preferences: tuple[tuple[float, ...], ...] = ()
    exact: ExactQuantities | None = None
    network_only: frozenset[str] = frozenset()


class Sampler(ABC):
    """Proposes subnets, and learns from how they turned out.

    This class sees to what holds for every sampler: genotypes are canonical, none is asked for twice in a
    study, the first generation begins with the smallest and the largest network, and a space is searched
    to its end. A sampler of its own says what to propose (`_propose`) and what it learns (`_learn`).

    Example:
        >>> from studies import Sampler
        >>> class Uniform(Sampler):
        ...     version = "1"
        ...     def _propose(self, count):
        ...         return self._draw(count)
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs",), sampler="Uniform", population=4, generations=2)
        >>> len(run_study(settings, database="studies.db", samplers=[Uniform]).evaluations())
        8

    Args:
        context: What is searched, and how.
    """

    def __init__(self, context: SamplerContext) -> None:
        self._space = context.space
        self._study = context.study
        self._leading = list(
            dict.fromkeys([context.space.smallest(), context.space.largest(), *context.first])
        )
        self._rng = np.random.default_rng(context.seed)
        self._archive = Archive(context.space, self._rng)
        self._front: list[Evaluation] = []

    @property
    def report(self) -> GenerationReport | None:
        """Of the generation that was told last; None for samplers that predict nothing."""
        return None

    def ask(self, count: int) -> list[Genotype]:
        """The next generation: canonical genotypes, none of which was ever asked for before.

        A proposal that the study has asked for already gives its place to a new network beside it.

        Args:
            count: Networks wanted.

        Returns:
            Fewer than `count` only if fewer are left; an empty list if and only if every network of the
            space was asked for.
        """
        if self._archive.is_complete:
            return []
        proposed = [self._space.canonical(genotype) for genotype in self._propose(count)]
        if len(self._archive) == 0:
            proposed = [*self._leading, *proposed[len(self._leading) :]]
        return self._archive.admit(proposed[:count], count, near=[member.genotype for member in self._front])

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """How the genotypes of the last `ask` turned out.

        Args:
            evaluations: One per genotype of the last `ask`, in its order.
        """
        self._front = self._study.front([*self._front, *evaluations])
        self._learn(evaluations)

    @abstractmethod
    def _propose(self, count: int) -> Sequence[Genotype]:
        """Up to `count` genotypes of the space; they may repeat what was asked for, and each other."""

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:  # noqa: B027
        """Takes in how the genotypes of the last `ask` turned out; by default, nothing is learned."""

    def _draw(self, count: int) -> list[Genotype]:
        """Up to `count` different random networks that were never asked for, as far as draws find any."""
        drawn: dict[Genotype, None] = {}
        for _ in range(SAMPLING_ROUNDS * count):
            if len(drawn) == count:
                break
            genotype = self._space.sample(self._rng)
            if genotype not in self._archive:
                drawn[genotype] = None
        return list(drawn)

    def _losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Shape (n, m), finite: 0 at the study's ideal and 1 at its reference.

        What was not measured because the subnet is infeasible counts as the worst. Feasibility first: no
        sampler compares it with a feasible one, but libraries take no NaN.
        """
        return np.nan_to_num(self._study.scaled_losses(evaluations), nan=1.0)
