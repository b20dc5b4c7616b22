"""NSGA-II (Deb et al. 2002), by pymoo: survivors by rank, then by how far apart they lie."""

from __future__ import annotations

from functools import partial

from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowdingSurvival, binary_tournament
from pymoo.operators.selection.tournament import TournamentSelection

from studies.samplers.genetic import GeneticSampler
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """NSGA-II over the genotypes of a space."""
    return GeneticSampler(
        context,
        partial(
            NSGA2,
            selection=TournamentSelection(func_comp=binary_tournament),
            survival=RankAndCrowdingSurvival(),
        ),
    )
