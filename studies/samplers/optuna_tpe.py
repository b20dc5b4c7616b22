"""Tree-structured Parzen estimator (Bergstra et al. 2011; MOTPE: Ozaki et al. 2022), by Optuna."""

from __future__ import annotations

from functools import partial

from optuna.samplers import TPESampler

from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


def create(context: SamplerContext) -> Sampler:
    """Optuna's TPE over all genes together: one by one, each network would cost eight times as long."""
    return OptunaSampler(context, partial(TPESampler, seed=seed_of(context), multivariate=True))
