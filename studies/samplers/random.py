"""Random search, the baseline of all samplers."""

from __future__ import annotations

from search_space.genotype import Genotype
from studies.samplers.sampler import Sampler, SamplerContext


class RandomSampler(Sampler):
    """New networks, every gene drawn uniformly from its options."""

    def _propose(self, count: int) -> list[Genotype]:
        return self._draw(count)


def create(context: SamplerContext) -> Sampler:
    """Random search over the genotypes of a space."""
    return RandomSampler(context)
