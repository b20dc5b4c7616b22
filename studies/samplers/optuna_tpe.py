"""Tree-structured Parzen estimator (Bergstra et al. 2011; Ozaki et al. 2022 for several objectives), by Optuna."""

from __future__ import annotations

from functools import partial

from optuna.samplers import TPESampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's TPE with its own defaults."""
    return OptunaSampler(context, partial(TPESampler, seed=seed_of(context)))
