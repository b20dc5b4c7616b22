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
    """Optuna's Gaussian process, without noise since equal networks have equal values.

    It runs in one thread. Its matrices are small: more threads took 20 times as long on two cores. The last
    bits of a sum must also not depend on the number of cores of a resumed run.
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
