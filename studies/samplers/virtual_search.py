"""NSGA-II (Deb et al. 2002) over a hundred thousand networks that are only predicted.

Children come from the same operators as in a real search, a whole generation at once. pymoo chooses the
survivors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from search_space.arrays import Floats, Genotypes
from studies.design_space.design_space import DesignSpace
from studies.samplers.operators import CROSSOVER_PROBABILITY, reset_mutation, uniform_crossover

CANDIDATES = 100_000
"""Number of networks to predict, at most `VISITS` times the size of the space."""
VISITS = 10
POPULATION = 500

Predict = Callable[[Genotypes], tuple[Floats, Floats]]
"""Losses (n, m) and violations (n, k) of canonical genotypes (n, genes)."""


@dataclass(frozen=True)
class Predicted:
    """Networks and their predictions.

    Attributes:
        genes: Canonical, all different, shape (n, genes).
        losses: Shape (n, m).
        violations: At most 0 where a constraint holds, shape (n, k).
    """

    genes: Genotypes
    losses: Floats
    violations: Floats

    @property
    def broken(self) -> Floats:
        """Sum of violations of each network, shape (n,); 0 for feasible networks."""
        excess: Floats = np.maximum(self.violations, 0.0).sum(axis=1)
        return excess

    def rows(self, rows: NDArray[np.intp]) -> Predicted:
        """The networks at some rows."""
        return Predicted(self.genes[rows], self.losses[rows], self.violations[rows])

    @classmethod
    def joined(cls, parts: Sequence[Predicted]) -> Predicted:
        """All networks of `parts`, in order."""
        return cls(
            np.concatenate([part.genes for part in parts]),
            np.concatenate([part.losses for part in parts]),
            np.concatenate([part.violations for part in parts]),
        )


def canonical_rows(space: DesignSpace, genotypes: Genotypes) -> Genotypes:
    """Canonical forms of genotypes (n, genes)."""
    return np.where(space.active_rows(genotypes), genotypes, 0)


def random_rows(space: DesignSpace, count: int, rng: np.random.Generator) -> Genotypes:
    """Canonical genotypes (count, genes), every gene drawn uniformly; some may be equal."""
    cardinalities = [gene.cardinality for gene in space.genes]
    return canonical_rows(space, rng.integers(0, cardinalities, (count, len(cardinalities))))


def row_names(genotypes: Genotypes) -> list[bytes]:
    """A name for each row of genotypes (n, genes): rows are equal if and only if their names are."""
    packed = np.ascontiguousarray(genotypes, dtype=np.int64)
    names: list[bytes] = packed.view(f"V{8 * packed.shape[1]}")[:, 0].tolist()
    return names


def different(genotypes: Genotypes) -> NDArray[np.intp]:
    """Rows of genotypes (n, genes) that no earlier row equals, in ascending order."""
    # The earliest of equal rows is set last, and remains.
    first = dict(zip(reversed(row_names(genotypes)), range(len(genotypes) - 1, -1, -1), strict=True))
    return np.sort(np.fromiter(first.values(), dtype=np.intp, count=len(first)))


def virtual_search(
    space: DesignSpace, score: Predict, start: Genotypes, rng: np.random.Generator
) -> tuple[Predicted, Predicted]:
    """Searches about `CANDIDATES` predicted networks for the best.

    Args:
        space: The design space.
        score: Predicts losses and violations of networks.
        start: Canonical genotypes of the initial population, shape (n, genes); random ones fill it up.
        rng: Source of randomness.

    Returns:
        The last population, by rank and then by crowding distance, and all networks of the search.
    """
    cardinalities = np.array([gene.cardinality for gene in space.genes], dtype=np.int64)
    first = np.concatenate([start[:POPULATION], random_rows(space, POPULATION, rng)])
    population = _scored(score, first[different(first)][:POPULATION])
    seen = [population]
    candidates = min(CANDIDATES, VISITS * space.cardinality)
    for _ in range(candidates // POPULATION - 1):
        population = _survivors(population)
        # Tournament: survivors are sorted, so the earlier row wins.
        pairs = rng.integers(0, len(population.genes), (2, 2, -(-POPULATION // 2))).min(axis=0)
        parents = population.genes[pairs]
        children = uniform_crossover(parents, rng)
        crossed = rng.random(parents.shape[1]) < CROSSOVER_PROBABILITY
        children = np.where(crossed[None, :, None], children, parents).reshape(-1, len(cardinalities))
        children = canonical_rows(space, reset_mutation(children, cardinalities, rng))
        together = np.concatenate([population.genes, children])
        rows = different(together)
        fresh = together[rows[rows >= len(population.genes)]]
        if len(fresh):
            seen.append(_scored(score, fresh))
            population = Predicted.joined([population, seen[-1]])
    return _survivors(population), Predicted.joined(seen)


def listed_search(
    score: Predict, designs: Genotypes, rng: np.random.Generator
) -> tuple[Predicted, Predicted]:
    """The best of the networks that a table lists; of more than `CANDIDATES`, as many drawn at random.

    Args:
        score: Predicts losses and violations of networks.
        designs: Canonical genotypes, all different, shape (n, genes), n at least 1.
        rng: Source of randomness.

    Returns:
        As `virtual_search`.
    """
    if len(designs) > CANDIDATES:
        designs = designs[np.sort(rng.choice(len(designs), CANDIDATES, replace=False))]
    seen = _scored(score, designs)
    return _survivors(seen), seen


def _scored(score: Predict, genes: Genotypes) -> Predicted:
    return Predicted(genes, *score(genes))


def _survivors(population: Predicted) -> Predicted:
    """The best `POPULATION` networks: feasible ones by rank and crowding, then by least violation."""
    broken = population.broken
    feasible = np.flatnonzero(broken == 0)
    losses = population.losses[feasible]
    rows = []
    # pymoo's survival class holds an object for each network, which takes longer than all the rest.
    for front in NonDominatedSorting().do(losses, n_stop_if_ranked=POPULATION):
        crowding = get_crowding_function("cd").do(losses[front])
        rows.append(feasible[front[np.argsort(-crowding, kind="stable")]])
    infeasible = np.flatnonzero(broken > 0)
    rows.append(infeasible[np.argsort(broken[infeasible], kind="stable")])
    return population.rows(np.concatenate(rows)[:POPULATION])
