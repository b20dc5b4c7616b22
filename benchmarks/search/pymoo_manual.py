"""pymoo's algorithms on the genotypes of a space, and the operators that its manual gives for integers.

The manual (pymoo.org/customization/discrete.html) has simulated binary crossover and polynomial mutation on
floats, both with ``prob=1.0, eta=3.0``, then rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from search_space.genotype import Gene


def manual_operators() -> dict[str, Any]:
    """Crossover and mutation of the manual, as arguments of an algorithm."""
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair

    return {
        "crossover": SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        "mutation": PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
    }


def started(
    kind: Any, genes: Sequence[Gene], *, objectives: int, population: int, seed: int, **operators: Any
) -> Any:
    """An algorithm without duplicates and without an end, ready to be asked.

    Args:
        kind: Class of the algorithm.
        genes: Genes of a genotype.
        objectives: Number of objectives.
        population: Size of a generation.
        seed: Seed of all draws.
        operators: Crossover and mutation.
    """
    from pymoo.config import Config
    from pymoo.core.problem import Problem
    from pymoo.core.termination import NoTermination
    from pymoo.operators.sampling.rnd import IntegerRandomSampling

    Config.warnings["not_compiled"] = False  # It prints a hint on stdout.
    algorithm = kind(
        pop_size=population, sampling=IntegerRandomSampling(), eliminate_duplicates=True, **operators
    )
    cardinalities = np.array([gene.cardinality for gene in genes])
    problem = Problem(
        n_var=len(genes), n_obj=objectives, xl=np.zeros_like(cardinalities), xu=cardinalities - 1, vtype=int
    )
    algorithm.setup(problem, termination=NoTermination(), seed=seed)
    return algorithm
