"""NSGA-II (Deb et al. 2002) by pymoo's ask and tell, with operators for short integer genes.

pymoo's own recipe for integers (SBX and polynomial mutation on floats, then rounding) hardly ever changes
a gene of 2 to 4 options, and its `pow` may differ in the last bit between platforms. So crossover and
mutation here are integer only. Every child is made canonical and compared with all networks the study has
ever asked for, inside the mating, so no network is evaluated twice.
"""

# pymoo calls its operators with arguments of these names, needed or not.
# ruff: noqa: ARG002, N803

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowdingSurvival, binary_tournament
from pymoo.config import Config
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.operators.selection.tournament import TournamentSelection

from search_space.genotype import Genotype
from search_space.space import Space
from studies.samplers.sampler import Sampler

Genes = NDArray[np.int64]

CROSSOVER_PROBABILITY = 0.9
MATING_ROUNDS = 20
"""How often mating is tried for a generation before neighbours of known networks fill it up."""
SAMPLING_ROUNDS = 100
"""How many draws per missing network the first generation takes before it turns to neighbours."""

# pymoo prints a hint on stdout where its compiled sorting is absent; both give the same run.
Config.warnings["not_compiled"] = False


def uniform_crossover(parents: Genes, rng: np.random.Generator) -> Genes:
    """Two children of each pair of parents; each gene comes from either parent with equal chance.

    Args:
        parents: Shape (2, n, genes).
        rng: Source of the draws.

    Returns:
        Shape (2, n, genes): whatever gene one child has from one parent, the other has from the other.
    """
    swapped = rng.random(parents.shape[1:]) < 0.5  # (n, genes)
    return np.where(swapped, parents[::-1], parents)


def reset_mutation(genotypes: Genes, cardinalities: Genes, rng: np.random.Generator) -> Genes:
    """Each gene changes with chance 1 / (number of genes with a choice), to any other option alike.

    Args:
        genotypes: Shape (n, genes).
        cardinalities: Number of options of each gene, shape (genes,).
        rng: Source of the draws.
    """
    has_choice = cardinalities > 1
    rate = 1.0 / max(int(has_choice.sum()), 1)
    mutated = (rng.random(genotypes.shape) < rate) & has_choice
    # Adding 1 to cardinality - 1, modulo the cardinality, reaches every other option and never the same.
    shift = rng.integers(1, np.maximum(cardinalities, 2), size=genotypes.shape)
    return np.where(mutated, (genotypes + shift) % cardinalities, genotypes)


class _UniformCrossover(Crossover):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=CROSSOVER_PROBABILITY)

    def _do(
        self, problem: Problem, X: Genes, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> Genes:
        return uniform_crossover(X, random_state)


class _ResetMutation(Mutation):  # type: ignore[misc]
    def __init__(self, cardinalities: Genes) -> None:
        super().__init__(prob=1.0)
        self._cardinalities = cardinalities

    def _do(
        self, problem: Problem, X: Genes, *args: Any, random_state: np.random.Generator, **kwargs: Any
    ) -> Genes:
        return reset_mutation(X, self._cardinalities, random_state)


class _Canonical(Repair):  # type: ignore[misc]
    def __init__(self, space: Space) -> None:
        super().__init__()
        self._space = space

    def _do(self, problem: Problem, X: Genes, **kwargs: Any) -> Genes:
        return np.array([self._space.canonical(_genotype(row)) for row in X], dtype=np.int64)


class _Unseen(DuplicateElimination):  # type: ignore[misc]
    """Keeps what neither the study nor the generation in the making holds."""

    def __init__(self, seen: set[Genotype]) -> None:
        super().__init__()
        self._seen = seen

    def do(self, pop: Population, *others: Population, **kwargs: Any) -> Population:
        # `others` are the population, which `seen` covers, and the children made so far.
        taken = {_genotype(child.X) for children in others[1:] for child in children}
        kept = []
        for index, individual in enumerate(pop):
            genotype = _genotype(individual.X)
            if genotype not in self._seen and genotype not in taken:
                taken.add(genotype)
                kept.append(index)
        return pop[kept]


class NSGA2Sampler(Sampler):
    """NSGA-II over the genotypes of a space.

    The first generation holds the smallest and the largest subnet, the rest is sampled. A generation is
    shorter than `population` only when fewer networks are left in the space.

    Args:
        space: What is searched.
        objectives: Number of objectives, at least 1.
        constraints: Number of constraints; infeasible subnets rank by the sum of their violations.
        population: Subnets per generation, at least 2.
        seed: Decides every draw: first generation, selection, crossover, mutation, ties.
    """

    def __init__(
        self, space: Space, *, objectives: int, constraints: int = 0, population: int, seed: int
    ) -> None:
        self._space = space
        self._population = population
        self._rng = np.random.default_rng(seed)
        self._seen: set[Genotype] = set()
        self._order: list[Genotype] = []
        self._enclosed: set[Genotype] = set()  # Networks all of whose neighbours were asked.
        self._asked: Population | None = None
        cardinalities = np.array([gene.cardinality for gene in space.genes], dtype=np.int64)
        # pymoo's default operators are objects shared by all its algorithms, so each is given here.
        self._algorithm = NSGA2(
            pop_size=population,
            selection=TournamentSelection(func_comp=binary_tournament),
            crossover=_UniformCrossover(),
            mutation=_ResetMutation(cardinalities),
            survival=RankAndCrowdingSurvival(),
            repair=_Canonical(space),
            eliminate_duplicates=_Unseen(self._seen),
            output=None,
        )
        self._algorithm.mating.n_max_iterations = MATING_ROUNDS
        self._algorithm.setup(
            Problem(
                n_var=len(space.genes),
                n_obj=objectives,
                n_ieq_constr=constraints,
                xl=np.zeros_like(cardinalities),
                xu=cardinalities - 1,
            ),
            termination=NoTermination(),
        )
        # `setup` makes a generator of its own; everything is to follow from one.
        self._algorithm.random_state = self._rng

    def ask(self) -> list[Genotype]:
        genotypes = self._first() if not self._order else self._children()
        missing = self._population - len(genotypes)
        if missing > 0:
            genotypes += self._beside([*self._order, *genotypes], missing)
        self._seen.update(genotypes)
        self._order += genotypes
        self._asked = Population.new(X=np.array(genotypes, dtype=np.int64)) if genotypes else None
        return genotypes

    def tell(self, losses: NDArray[np.float64], violations: NDArray[np.float64]) -> None:
        assert self._asked is not None, "tell follows ask"
        # Feasibility first: the losses of an infeasible subnet are never looked at, but must be numbers.
        self._asked.set("F", np.where(np.isnan(losses), np.inf, losses))
        self._asked.set("G", violations)
        self._algorithm.tell(infills=self._asked)

    def _first(self) -> list[Genotype]:
        """Smallest, largest, then different random networks, as far as draws find any."""
        chosen = dict.fromkeys([self._space.smallest(), self._space.largest()])
        for _ in range(SAMPLING_ROUNDS * self._population):
            if len(chosen) >= self._population:
                break
            chosen[self._space.sample(self._rng)] = None
        return list(chosen)[: self._population]

    def _children(self) -> list[Genotype]:
        """Different networks from mating; fewer than a generation where it finds too few new ones."""
        if len(self._order) >= self._space.cardinality:
            return []
        children = self._algorithm.mating.do(
            self._algorithm.problem,
            self._algorithm.pop,
            self._population,
            algorithm=self._algorithm,
            random_state=self._rng,
        )
        return [_genotype(child.X) for child in children]

    def _beside(self, known: list[Genotype], missing: int) -> list[Genotype]:
        """`missing` new networks that differ in one gene from known ones, for when chance finds no more.

        Any network leads to any other by changes of one gene, so this comes back short only when the
        space is exhausted. What lies beside the survivors comes first.

        Args:
            known: Everything asked, and what this generation holds so far.
            missing: How many are wanted.
        """
        found: list[Genotype] = []
        taken = set(known)
        population = self._algorithm.pop  # None before the first `tell`.
        survivors = [] if population is None else [_genotype(one.X) for one in population]
        while len(found) < missing and len(taken) < self._space.cardinality:
            for origin in (*self._shuffled(survivors), *self._shuffled(known)):
                if origin in self._enclosed:
                    continue
                fresh = [one for one in self._space.neighbours(origin) if one not in taken]
                if not fresh:
                    self._enclosed.add(origin)
                chosen = self._shuffled(fresh)[: missing - len(found)]
                taken.update(chosen)
                found += chosen
                if len(found) == missing:
                    break
            known = [*known, *found]
        return found

    def _shuffled(self, genotypes: list[Genotype]) -> list[Genotype]:
        return [genotypes[index] for index in self._rng.permutation(len(genotypes))]


def _genotype(row: Genes) -> Genotype:
    return tuple(row.tolist())
