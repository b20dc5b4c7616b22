"""The sampler `surrogate` with one thing changed at a time, for `benchmarks.search.tables_compared`.

| variant | change |
|---|---|
| `surrogate-batch-12`, `surrogate-batch-48` | batches of 12 or 48 networks after the first generation |
| `surrogate-spread` | first generation spread by costs instead of drawn at random |
| `surrogate-linear` | aims at the box with linear costs, as `studies.run --scale linear` does |
| `surrogate-mean` | networks chosen by predicted means, as if predictions were certain |

`surrogate-spread` needs costs that are known in advance. It begins with the smallest and the largest network.
Each next one is the network that is farthest from all before, in logarithms of the costs, each scaled to
[0, 1] over the table (greedy maximin design). No accuracy is needed for that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.search.judging_tables import JudgingTable
from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.samplers.sampler import Sampler, SamplerContext
from studies.samplers.surrogate import SurrogateSampler
from studies.samplers.virtual_search import Predicted
from studies.study.cost_scale import LINEAR

POPULATION = 24
"""Networks of the first generation."""
Create = Callable[[JudgingTable, int], Sampler]


class MeanSampler(SurrogateSampler):
    """The surrogate without the uncertainty of its predictions."""

    def _samples(self, candidates: Predicted, rng: np.random.Generator) -> Floats:
        del rng
        values = self._exactly(candidates.genes)
        values |= {name: self._forecast(name, candidates.genes) for name in self._predicted}
        breaks = np.any(self._violations(values) > 0, axis=1, keepdims=True)
        return np.where(breaks, 1.0, self._scaled(values))[None]


def context_of(bench: JudgingTable, seed: int, first: tuple[Genotype, ...] = ()) -> SamplerContext:
    """What a sampler is created from, with costs that are known in advance."""
    return SamplerContext(
        space=bench.space, study=bench.study, population=POPULATION, seed=seed, exact=bench.exact, first=first
    )


def plain(bench: JudgingTable, seed: int) -> Sampler:
    """The surrogate as it is."""
    return SurrogateSampler(context_of(bench, seed))


def spread(bench: JudgingTable, seed: int) -> Sampler:
    """The surrogate with a first generation spread by costs; `seed` decides the rest."""
    return SurrogateSampler(context_of(bench, seed, spread_networks(bench, POPULATION)[2:]))


def mean(bench: JudgingTable, seed: int) -> Sampler:
    """The surrogate without uncertainty."""
    return MeanSampler(context_of(bench, seed))


def linear(bench: JudgingTable, seed: int) -> Sampler:
    """The surrogate of a study on a linear scale."""
    return SurrogateSampler(context_of(bench.on_scale(LINEAR), seed))


def spread_networks(bench: JudgingTable, count: int) -> tuple[Genotype, ...]:
    """The smallest and the largest network, then those farthest from all before by costs."""
    points = np.log(np.stack([bench.table.values[name] for name in bench.exact.names], axis=1))
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    ends = np.array([bench.space.smallest(), bench.space.largest()])
    rows = list(dict.fromkeys(bench.table.rows(ends).tolist()))
    nearest = np.min([((points - points[row]) ** 2).sum(axis=1) for row in rows], axis=0)
    while len(rows) < min(count, len(points)):
        nearest[rows] = -1.0  # Other networks may have the same costs.
        rows.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((points - points[rows[-1]]) ** 2).sum(axis=1))
    return tuple(tuple(bench.table.genotypes[row].tolist()) for row in rows)


VARIANTS: dict[str, tuple[Create, int]] = {
    "surrogate-batch-12": (plain, 12),
    "surrogate-batch-48": (plain, 48),
    "surrogate-spread": (spread, POPULATION),
    "surrogate-mean": (mean, POPULATION),
    "surrogate-linear": (linear, POPULATION),
}
"""How each variant is created, and the size of its batches."""
