"""Gaussian process with expected hypervolume improvement, by Optuna (Ament et al. 2023; Daulton et al. 2020).

Takes seconds per network: for few, expensive evaluations.
"""

from __future__ import annotations

from functools import partial

import torch
from optuna.samplers import GPSampler

from search_space.genotype import Genotype
from studies.samplers.optuna_sampler import OptunaSampler, seed_of
from studies.samplers.sampler import Sampler, SamplerContext


class GaussianProcessSampler(OptunaSampler):
    """Optuna's Gaussian process; equal networks have equal values, so it is told that there is no noise.

    It thinks in one thread. Its matrices are small: more threads took 20 times as long on two cores, and
    the last bits of a sum must not depend on how many cores a study goes on with.
    """

    def __init__(self, context: SamplerContext) -> None:
        super().__init__(context, partial(GPSampler, seed=seed_of(context), deterministic_objective=True))

    def _propose(self, count: int) -> list[Genotype]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return super()._propose(count)
        finally:
            torch.set_num_threads(threads)


def create(context: SamplerContext) -> Sampler:
    """Optuna's Gaussian process over the genotypes of a space."""
    return GaussianProcessSampler(context)
