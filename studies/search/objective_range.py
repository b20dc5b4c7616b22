"""Range of an objective's values over a design space, which gives the bounds of the hypervolume.

If values follow size, the smallest and the largest network on the extreme chips give the range. The extremes
of a ratio such as power lie anywhere in between, so its range comes from a sample: random designs first, then
designs that differ in a few genes from the best and the worst so far. The sample has a fixed seed, so studies
with the same objective, space and chips have the same bounds.

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
"""Number of random designs in a sample."""
ROUNDS = 8
"""Number of rounds that search for smaller and larger values."""
PARENTS = 8
"""Number of designs at either end of the values that a round starts from, and of new designs for each end."""
MARGIN = 0.25
"""Share of a sampled range that is added at either end, since a search finds more extreme values."""
EXPENSIVE_RANDOM = 8
"""Number of random designs for an expensive objective, which has no further rounds."""


def objective_range(objective: Objective, space: DesignSpace) -> tuple[float, float]:
    """Least and greatest value of `objective` over `space`, estimated from a few hundred designs.

    Raises:
        EvaluationError: The objective returned no finite value.
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
    """Children by uniform crossover and mutation, as many as parents."""
    # pymoo takes a second to import, so bad input is refused first.
    from studies.samplers.operators import genotype_of, reset_mutation, uniform_crossover

    genes = np.array(parents, dtype=np.int64)
    pairs = genes[rng.integers(0, len(genes), (2, -(-len(genes) // 2)))]
    children = uniform_crossover(pairs, rng).reshape(-1, len(space.genes))
    cardinalities = np.array([gene.cardinality for gene in space.genes], dtype=np.int64)
    return [space.canonical(genotype_of(row)) for row in reset_mutation(children, cardinalities, rng)]


def _measured(
    objective: Objective, space: DesignSpace, genotypes: Sequence[Genotype], known: dict[Genotype, float]
) -> dict[Genotype, float]:
    """`known` and the values of `genotypes`; each design is measured once."""
    new = [genotype for genotype in dict.fromkeys(genotypes) if genotype not in known]
    return known | dict(zip(new, _values(objective, space, new), strict=True))


def _values(objective: Objective, space: DesignSpace, genotypes: Sequence[Genotype]) -> list[float]:
    return measure(objective, space, candidates(space, dict(enumerate(genotypes))))
