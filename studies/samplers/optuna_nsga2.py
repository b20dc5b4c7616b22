"""NSGA-II as Optuna has it: uniform crossover, and mutation to any option."""

from __future__ import annotations

from functools import partial

from optuna.samplers import NSGAIISampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's NSGA-II with its own defaults, and the population of the study."""
    return OptunaSampler(
        context, partial(NSGAIISampler, seed=seed_of(context), population_size=context.population)
    )
