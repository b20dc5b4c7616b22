"""Base class of all samplers, and the context that they are created from.

A sampler is a pure function of its settings and of the evaluations that it receives. Resume depends on that:
it replays the sampler from the start on the stored evaluations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype
from search_space.subnet_sampling import draw_of_family
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from studies.design_space.table_costs import TableQuantities
from studies.samplers.proposed_designs import Archive
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Study

SAMPLING_ROUNDS = 100
"""Largest number of random draws per network, before neighbours of known networks are taken."""


@dataclass(frozen=True, kw_only=True)
class SamplerContext:
    """Design space, study and settings that a sampler is created from.

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
        space: The design space.
        study: Objectives, constraints and bounds; turns evaluations into losses and violations.
        population: Number of subnets per generation, at least 2.
        seed: Random seed of the study.
        first: Canonical genotypes of the first generation after the smallest and the largest network. With
            more than `population` - 2 of them, the first generation is larger than the others.
        preferences: Preferred values of all objectives, in their units and order, for samplers that search
            near given points.
        exact: Computes exact quantities of designs without a measurement. Without it, a sampler that searches
            many designs has to predict these quantities.
        network_only: Names of quantities that do not depend on the chip: a value holds for the network on
            every chip. All other quantities depend on the chip.
    """

    space: DesignSpace
    study: Study
    population: int
    seed: int
    first: tuple[Genotype, ...] = ()
    preferences: tuple[tuple[float, ...], ...] = ()
    exact: ExactQuantities | TableQuantities | None = None
    network_only: frozenset[str] = frozenset()


class Sampler(ABC):
    """Proposes subnets and learns from their evaluations.

    This class guarantees the properties of every sampler. Genotypes are canonical, and a study never proposes
    one twice. The first generation begins with the smallest and the largest network. A search ends only when
    the space is exhausted. A derived class implements the proposals (`_propose`) and the learning (`_learn`).

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
        context: Design space, study and settings.
    """

    def __init__(self, context: SamplerContext) -> None:
        self._space = context.space
        self._study = context.study
        self._family = next((one.family for one in self._study.limits if one.family is not None), None)
        self._leading = list(
            dict.fromkeys([context.space.smallest(), context.space.largest(), *context.first])
        )
        self._rng = np.random.default_rng(context.seed)
        self._archive = Archive(context.space, self._rng)
        self._front: list[Evaluation] = []

    @property
    def report(self) -> GenerationReport | None:
        """Prediction quality of the last generation; None for samplers that predict nothing."""
        return None

    def ask(self, count: int) -> list[Genotype]:
        """The next generation: canonical genotypes that the study has not proposed before.

        A new neighbour replaces a network that the study has proposed before. Where the mapping is searched,
        a network comes with all of its mappings: once its accuracy is measured, the others cost next to
        nothing.

        Args:
            count: Number of networks.

        Returns:
            The networks. There are fewer than `count` only if the space has fewer new ones, and none if and
            only if the space is exhausted. There are more only where `SamplerContext.first` is longer.
            Behind these designs stand their siblings under other mappings.
        """
        if self._archive.is_complete:
            return []
        proposed = [self._space.canonical(genotype) for genotype in self._propose(count)]
        if len(self._archive) == 0:
            proposed = [*self._leading, *proposed[len(self._leading) :]]
            count = max(count, len(self._leading))
        near = [member.genotype for member in self._front]
        admitted = self._archive.admit(proposed[:count], count, near=near)
        return admitted + self._archive.admit_siblings(admitted)

    def tell(self, evaluations: Sequence[Evaluation]) -> None:
        """Receives the evaluations of the last generation.

        Args:
            evaluations: One evaluation per genotype of the last `ask`, in its order.
        """
        self._front = self._study.front([*self._front, *evaluations])
        self._learn(evaluations)

    @abstractmethod
    def _propose(self, count: int) -> Sequence[Genotype]:
        """Up to `count` genotypes of the space. They may repeat earlier proposals and each other."""

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:  # noqa: B027
        """Learns from the evaluations of the last generation; by default, does nothing."""

    def _draw(self, count: int) -> list[Genotype]:
        """Up to `count` different random networks that the study has not proposed."""
        drawn: dict[Genotype, None] = {}
        for _ in range(SAMPLING_ROUNDS * count):
            if len(drawn) == count:
                break
            genotype = self._sample()
            if genotype not in self._archive:
                drawn[genotype] = None
        return list(drawn)

    def _sample(self) -> Genotype:
        """A random network, of the family that the study is limited to."""
        design = self._space.sample(self._rng)
        if self._family is None or self._space.listed is not None:
            return design
        network = draw_of_family(self._space.networks, self._family, self._rng)
        return self._space.canonical((*network, *design[len(network) :]))

    def _losses(self, evaluations: Sequence[Evaluation]) -> Floats:
        """Scaled losses, finite, shape (n, m): 0 at the study's ideal, 1 at its reference.

        Values that are missing because the subnet is infeasible count as the worst, since libraries accept no
        NaN. No sampler compares them with feasible subnets.
        """
        return np.nan_to_num(self._study.scaled_losses(evaluations), nan=1.0)
