"""Comparison of chips: fronts of all searches on the test images, their figures and the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from benchmarks.paper.bootstrap import Estimate, Resampling, estimate, resampling
from benchmarks.paper.measures import Front, measured
from benchmarks.paper.protocol import (
    ALMOST_ALL,
    COSTS,
    MOST,
    PAIRS,
    Cost,
    Measure,
    PrimaryFigure,
    Run,
)
from benchmarks.paper.searches import Search, Searched
from search_space.arrays import Booleans, Floats
from search_space.genotype import Genotype, to_text
from studies.study.evaluation import Evaluation

Verdict = Literal["agrees", "agrees in sign", "disagrees"]
Figures = Mapping[Measure, Estimate]


class Scores(Protocol):
    """Answers on the test images; see `benchmarks.paper.held_out.HeldOut`."""

    def score(self, networks: Iterable[Genotype]) -> None: ...

    def answers(self, networks: Sequence[Genotype]) -> Booleans: ...


class Pool:
    """Networks with their test accuracies in every resample, their blocks and their search accuracies.

    Args:
        members: Evaluations of the networks; of one that occurs in several searches any one.
        scores: Answers on the test images.
        rows: Resamples of seeds and images.
    """

    def __init__(self, members: Iterable[Evaluation], scores: Scores, rows: Resampling) -> None:
        self._members = {one.genotype: one for one in members}
        scores.score(self._members)
        self.rows = rows
        self._places = {genotype: place for place, genotype in enumerate(self._members)}
        self._accuracies = rows.accuracies(scores.answers(list(self._members)))

    @property
    def networks(self) -> list[Genotype]:
        """All networks."""
        return list(self._members)

    @property
    def digest(self) -> str:
        """SHA-256 of all networks with their accuracies on search and test images."""
        sha = hashlib.sha256()
        for genotype in sorted(self._members):
            place = self._places[genotype]
            sha.update(to_text(genotype).encode())
            sha.update(np.array([self._members[genotype].values[0], self._accuracies[0, place]]).tobytes())
        return sha.hexdigest()

    def search_accuracies(self, networks: Sequence[Genotype]) -> Floats:
        """Accuracies on the search split in %, (n,)."""
        return np.array([self._members[one].values[0] for one in networks], dtype=np.float64)

    def front(self, networks: Sequence[Genotype], costs: Floats) -> Front:
        """The front that `networks` form at `costs` (n,)."""
        members = [self._members[one] for one in networks]
        return Front(
            costs=costs,
            accuracies=self._accuracies[:, [self._places[one] for one in networks]],
            conv_blocks=np.array([one.conv_blocks for one in members], dtype=np.float64),
            vit_blocks=np.array([one.vit_blocks for one in members], dtype=np.float64),
        )

    def front_of(self, members: Sequence[Evaluation]) -> Front:
        """The front of a search from its evaluations of accuracy and cost."""
        costs = np.array([one.values[1] for one in members], dtype=np.float64)
        return self.front([one.genotype for one in members], costs)

    def compare(self, chips: Sequence[Front], bases: Sequence[Front]) -> Figures:
        """Figures of pairs of fronts, one pair for each seed, as means over the seeds."""
        by_seed = [measured(chip, base) for chip, base in zip(chips, bases, strict=True)]
        return {
            measure: estimate(self.rows.mean_over_seeds([figures[measure] for figures in by_seed]))
            for measure in by_seed[0]
        }


@dataclass(frozen=True)
class Fronts:
    """Fronts of all searches with the same budget.

    Attributes:
        pool: Their networks.
        members: Evaluations on the front of each search.
    """

    pool: Pool
    members: Mapping[Search, Sequence[Evaluation]]

    def of(self, chip: str, cost: Cost, seeds: Sequence[int]) -> list[Front]:
        """Fronts of a chip, by seed."""
        return [self.pool.front_of(self.members[Search(chip, cost, seed)]) for seed in seeds]

    def networks(self, chips: Iterable[str]) -> list[Genotype]:
        """Networks of all fronts that were searched for `chips`, each once."""
        wanted = {*chips}
        return list(
            dict.fromkeys(
                one.genotype
                for search, members in self.members.items()
                if search.chip in wanted
                for one in members
            )
        )


def fronts(
    found: Mapping[Search, Searched],
    scores: Scores,
    *,
    resamples: int,
    images: int,
    evaluations: int | None = None,
    more: Iterable[Evaluation] = (),
) -> Fronts:
    """Fronts of searches, scored on the test images.

    Args:
        found: The searches.
        scores: Answers on the test images.
        resamples: Resamples of the bootstrap; 0 for the sample alone.
        images: Number of test images.
        evaluations: Evaluations of each search that count; all by default.
        more: Further networks of the pool.

    Raises:
        H4HError: Networks cannot be scored.
    """
    members = {search: searched.front(evaluations) for search, searched in found.items()}
    seeds = len({search.seed for search in found})
    every = [one for of_search in members.values() for one in of_search]
    return Fronts(Pool([*every, *more], scores, resampling(seeds, images, resamples)), members)


def pair_figures(run: Run, found: Fronts, chip: str, cost: Cost) -> Figures:
    """Figures of a chip against the one without macros."""
    return found.pool.compare(found.of(chip, cost, run.seeds), found.of(PAIRS[chip], cost, run.seeds))


def all_figures(run: Run, found: Fronts) -> dict[tuple[str, Cost], Figures]:
    """Figures of each chip of a run, by chip and cost."""
    return {(chip, cost): pair_figures(run, found, chip, cost) for chip in run.chips for cost in COSTS}


def primary_values(run: Run, found: Fronts) -> list[float]:
    """Values of the primary figures, without intervals."""
    pairs = {(figure.chip, figure.cost) for figure in run.primary}
    by_pair = {pair: pair_figures(run, found, *pair) for pair in pairs}
    return [by_pair[figure.chip, figure.cost][figure.measure].value for figure in run.primary]


def verdict(figure: PrimaryFigure, found: Estimate) -> Verdict:
    """Whether a primary figure agrees with the paper, by the rule of the protocol.

    A figure agrees if its sign is the paper's and the paper's value lies in the interval. It agrees in sign
    if the interval excludes 0 on the paper's side. The paper's "almost all" agrees if the interval reaches
    `ALMOST_ALL`, and in sign if it lies above `MOST`.
    """
    if figure.paper is None:
        if found.high >= ALMOST_ALL:
            return "agrees"
        return "agrees in sign" if found.low > MOST else "disagrees"
    if found.value * figure.paper > 0 and found.low <= figure.paper <= found.high:
        return "agrees"
    excludes_zero = found.low > 0 if figure.paper > 0 else found.high < 0
    return "agrees in sign" if excludes_zero else "disagrees"
