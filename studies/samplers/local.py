"""Pareto local search (Paquete, Chiarandini & Stuetzle 2004): new networks one gene away from the front.

Each generation takes one neighbour of each member of the front in turn, so that it covers the whole front.
Members whose neighbours are all known are left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from search_space.genotype import Genotype
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.evaluation import Evaluation


class LocalSampler(Sampler):
    """Neighbours of the best networks. Its first generation is drawn at random.

    Without feasible networks, the best network is the one with the least sum of violations.
    """

    def __init__(self, context: SamplerContext) -> None:
        super().__init__(context)
        self._least: tuple[float, Genotype] | None = None  # Least sum of violations, and its network.

    def _propose(self, count: int) -> list[Genotype]:
        if self._least is None:
            return self._draw(count)
        best = [member.genotype for member in self._front] or [self._least[1]]
        waiting = deque(self._shuffled(best))
        left: dict[Genotype, list[Genotype]] = {}
        chosen: dict[Genotype, None] = {}
        while waiting and len(chosen) < count:
            member = waiting.popleft()
            if member not in left:
                left[member] = self._shuffled(self._archive.new_neighbours(member))
            if left[member]:
                chosen[left[member].pop()] = None
                waiting.append(member)
        return list(chosen)

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:
        sums = np.maximum(self._study.violations(evaluations), 0.0).sum(axis=1)
        row = int(sums.argmin())
        if self._least is None or sums[row] < self._least[0]:
            self._least = (float(sums[row]), evaluations[row].genotype)

    def _shuffled(self, genotypes: list[Genotype]) -> list[Genotype]:
        return [genotypes[index] for index in self._rng.permutation(len(genotypes))]


def create(context: SamplerContext) -> Sampler:
    """Pareto local search over the genotypes of a space."""
    return LocalSampler(context)
