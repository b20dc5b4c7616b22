"""R-NSGA-II (Deb & Sundar 2006), by pymoo: survivors by rank, then by nearness to preferred points.

Distances are taken in the study's box (0 at its ideal, 1 at its reference), which does not move while the
study runs; pymoo's own scaling by the current front divides by zero when that has one point.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.algorithms.moo.rnsga2 import RNSGA2
from pymoo.operators.selection.tournament import TournamentSelection

from studies.samplers.genetic import GeneticSampler
from studies.samplers.sampler import Sampler, SamplerContext

EPSILON = 0.01
"""Survivors nearer to each other than this share of the box count as one, which spreads them."""


def create(context: SamplerContext) -> Sampler:
    """R-NSGA-II towards the preferences of `context`; without any, towards the ideal."""
    study = context.study
    preferences = np.array(context.preferences or [study.ideal], dtype=np.float64)
    return GeneticSampler(
        context,
        partial(
            RNSGA2,
            ref_points=study.scaled(preferences),
            epsilon=EPSILON,
            normalization="no",
            selection=TournamentSelection(func_comp=binary_tournament),
        ),
    )
