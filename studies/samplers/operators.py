"""Integer crossover and mutation, and their adapters for pymoo.

pymoo's operators for integers are SBX and polynomial mutation on floats, then rounding. They change a gene of
two options in only 1 of 32 mutations (eta 3), and `pow` may differ in the last bit between platforms. The
operators here use integers only; fronts are hardly better for it. Within the mating, every child becomes
canonical and is compared with all networks that the study has proposed.
"""

# pymoo passes arguments by these names, also those that an operator does not use.
# ruff: noqa: ARG002, N803

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair

from search_space.arrays import Genotypes, Integers
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.samplers.proposed_designs import Archive

CROSSOVER_PROBABILITY = 0.9


def uniform_crossover(parents: Genotypes, rng: np.random.Generator) -> Genotypes:
    """Two children of each pair of parents; a gene comes from either parent with equal probability.

    Args:
        parents: Genotypes of the pairs, shape (2, n, genes).
        rng: Source of randomness.

    Returns:
        Genotypes of the children, shape (2, n, genes). Each gene of the second child comes from the parent
        that the first child does not have it from.
    """
    swapped = rng.random(parents.shape[1:]) < 0.5  # (n, genes)
    return np.where(swapped, parents[::-1], parents)


def reset_mutation(genotypes: Genotypes, cardinalities: Integers, rng: np.random.Generator) -> Genotypes:
    """Changes each gene with probability 1 / (number of genes with a choice), to a uniform other option.

    Args:
        genotypes: Shape (n, genes).
        cardinalities: Number of options of each gene, shape (genes,).
        rng: Source of randomness.
    """
    has_choice = cardinalities > 1
    rate = 1.0 / max(int(has_choice.sum()), 1)
    mutated = (rng.random(genotypes.shape) < rate) & has_choice
    # A shift by 1 to cardinality - 1, modulo the cardinality, reaches every other option and never the same.
    shift = rng.integers(1, np.maximum(cardinalities, 2), size=genotypes.shape)
    return np.where(mutated, (genotypes + shift) % cardinalities, genotypes)


def genotype_of(row: Genotypes) -> Genotype:
    """A row of genes as a genotype."""
    return tuple(row.tolist())


class UniformCrossover(Crossover):  # type: ignore[misc]
    """`uniform_crossover` of most pairs; the other pairs are copied."""

    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=CROSSOVER_PROBABILITY)

    def _do(
        self, problem: Problem, X: Genotypes, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> Genotypes:
        return uniform_crossover(X, random_state)


class ResetMutation(Mutation):  # type: ignore[misc]
    """`reset_mutation` of every child.

    Args:
        cardinalities: Number of options of each gene, shape (genes,).
    """

    def __init__(self, cardinalities: Integers) -> None:
        super().__init__(prob=1.0)
        self._cardinalities = cardinalities

    def _do(
        self, problem: Problem, X: Genotypes, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> Genotypes:
        return reset_mutation(X, self._cardinalities, random_state)


class Canonical(Repair):  # type: ignore[misc]
    """Makes every child canonical before children are compared.

    Where a table lists the networks, a child moves to the nearest new one.

    Args:
        space: Design space of the children.
        archive: All networks that the study has proposed.
    """

    def __init__(self, space: DesignSpace, archive: Archive) -> None:
        super().__init__()
        self._space = space
        self._archive = archive

    def _do(self, problem: Problem, X: Genotypes, **kwargs: Any) -> Genotypes:
        canonical: Genotypes = np.where(self._space.active_rows(X), X, 0)
        if self._space.listed is None:
            return canonical
        children = list(map(genotype_of, canonical))
        moved: dict[Genotype, None] = {}
        for place, child in enumerate(children):
            children[place] = self._archive.nearest_new(child, moved) or self._space.smallest()
            moved[children[place]] = None
        return np.array(children, dtype=np.int64)


class Unseen(DuplicateElimination):  # type: ignore[misc]
    """Drops children that the study has proposed before, or that the new generation already has.

    Args:
        archive: All networks that the study has proposed.
    """

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self._archive = archive

    def do(self, pop: Population, *others: Population, **kwargs: Any) -> Population:
        # `others` are the population, which the archive covers, and the children so far.
        taken = {genotype_of(child.X) for children in others[1:] for child in children}
        fresh = []
        for index, individual in enumerate(pop):
            genotype = genotype_of(individual.X)
            if genotype not in self._archive and genotype not in taken:
                taken.add(genotype)
                fresh.append(index)
        return pop[fresh]
