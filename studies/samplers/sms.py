"""SMS-EMOA (Beume, Naujoks & Emmerich 2007), by pymoo: those survive that add most hypervolume.

Each step creates a whole generation, where the original creates one child.
"""

from __future__ import annotations

from functools import partial

from pymoo.algorithms.moo.nsga2 import RankAndCrowdingSurvival
from pymoo.algorithms.moo.sms import (
    SMSEMOA,
    LeastHypervolumeContributionSurvival,
    cv_and_dom_tournament,
)
from pymoo.operators.selection.tournament import TournamentSelection

from studies.samplers.genetic import GeneticSampler
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """SMS-EMOA over the genotypes of a space."""
    # With one objective rank decides alone, and contributions of equal networks are not defined.
    is_single = len(context.study.goals) == 1
    survival = RankAndCrowdingSurvival() if is_single else LeastHypervolumeContributionSurvival()
    return GeneticSampler(
        context,
        partial(SMSEMOA, selection=TournamentSelection(func_comp=cv_and_dom_tournament), survival=survival),
    )
