"""Gaussian process with expected hypervolume improvement, by Optuna (Ament et al. 2023; Daulton et al. 2020).

Seconds per network: for few and dear evaluations.
"""

from __future__ import annotations

from functools import partial

from optuna.samplers import GPSampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's Gaussian process; equal networks have equal values, so it is told that there is no noise."""
    return OptunaSampler(context, partial(GPSampler, seed=seed_of(context), deterministic_objective=True))
