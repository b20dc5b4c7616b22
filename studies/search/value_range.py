"""Range of an objective's values over a design space: the bounds of the hypervolume before anything is
searched.

Where values follow size, those of the smallest and the largest network on the extreme chips are enough. A
ratio such as power has its extremes anywhere in between. There the range comes from a sample: random designs
first, then designs that differ in a few genes from the best and the worst so far. The sample has a seed of
its own, so that studies of the same objective, space and chips have the same bounds whatever their seed.

A search may still find a value beyond such a range. The bounds of a study never change, since resume must
repeat every decision; `outside_bounds` reports values beyond them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from objectives.objective import Objective
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.search.candidate import candidates
from studies.search.evaluator import measure

SEED = 0
RANDOM = 96
"""Random designs of a sample."""
ROUNDS = 8
"""Rounds that look for smaller and for larger values than those so far."""
PARENTS = 8
"""Designs at either end of the values that each round starts from; it measures as many new ones for each."""
MARGIN = 0.25
"""Share of a sampled range added at either end, since a search finds more extreme values than a sample."""
EXPENSIVE_RANDOM = 8
"""Random designs where one value takes noticeable time; there are no further rounds."""


def value_range(objective: Objective, space: DesignSpace) -> tuple[float, float]:
    """Least and greatest value of `objective` over `space`, as far as a few hundred designs tell.

    Raises:
        EvaluationError: The objective gave no finite value.
    """
    if objective.follows_size:
        values = _values(objective, space, space.corners)
        return min(values), max(values)
    rng = np.random.default_rng(SEED)
    count = EXPENSIVE_RANDOM if objective.is_expensive else RANDOM
    known = _measured(objective, space, [*space.corners, *(space.sample(rng) for _ in range(count))], {})
    for _ in range(0 if objective.is_expensive else ROUNDS):
        ranked = sorted(known, key=lambda genotype: (known[genotype], genotype))
        children = [*_children(space, ranked[:PARENTS], rng), *_children(space, ranked[-PARENTS:], rng)]
        known = _measured(objective, space, children, known)
    least, most = min(known.values()), max(known.values())
    margin = MARGIN * (most - least)
    return (max(least - margin, 0.0) if least >= 0 else least - margin), most + margin


def _children(space: DesignSpace, parents: Sequence[Genotype], rng: np.random.Generator) -> list[Genotype]:
    """As many designs as there are parents: a uniform crossover of two of them, then mutated."""
    # pymoo takes a second to import; here, so that bad input fails before it is loaded.
    from studies.samplers.operators import genotype_of, reset_mutation, uniform_crossover

    genes = np.array(parents, dtype=np.int64)
    pairs = genes[rng.integers(0, len(genes), (2, -(-len(genes) // 2)))]
    children = uniform_crossover(pairs, rng).reshape(-1, len(space.genes))
    cardinalities = np.array([gene.cardinality for gene in space.genes], dtype=np.int64)
    return [space.canonical(genotype_of(row)) for row in reset_mutation(children, cardinalities, rng)]


def _measured(
    objective: Objective, space: DesignSpace, genotypes: Sequence[Genotype], known: dict[Genotype, float]
) -> dict[Genotype, float]:
    """`known` with the values of `genotypes`; each is measured once."""
    new = [genotype for genotype in dict.fromkeys(genotypes) if genotype not in known]
    return known | dict(zip(new, _values(objective, space, new), strict=True))


def _values(objective: Objective, space: DesignSpace, genotypes: Sequence[Genotype]) -> list[float]:
    return measure(objective, space, candidates(space, dict(enumerate(genotypes))))
