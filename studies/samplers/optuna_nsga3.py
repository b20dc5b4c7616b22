"""NSGA-III (Deb & Jain 2014) by Optuna: survivors by rank, then by nearness to directions spread evenly."""

from __future__ import annotations

from functools import partial

from optuna.samplers import NSGAIIISampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's NSGA-III with its own defaults, and the population of the study."""
    return OptunaSampler(
        context, partial(NSGAIIISampler, seed=seed_of(context), population_size=context.population)
    )
