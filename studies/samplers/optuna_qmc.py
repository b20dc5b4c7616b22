"""Quasi-random search by Optuna: a scrambled Sobol sequence fills the space more evenly than chance."""

from __future__ import annotations

from functools import partial

from optuna.samplers import QMCSampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's Sobol sequence, scrambled by the seed: unscrambled, every seed would be the same."""
    return OptunaSampler(context, partial(QMCSampler, seed=seed_of(context), scramble=True))
