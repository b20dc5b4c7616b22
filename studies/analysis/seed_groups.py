"""Groups of runs with different seeds: spread, significance of differences, attainment surfaces.

Conclusions about a randomised search need several runs (Knowles, Thiele & Zitzler, TIK report 214, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import moocore
import numpy as np

from search_space.errors import H4HError
from studies.analysis.contenders import QUALITY, Box, Contender
from studies.analysis.convergence import moved_lately
from studies.analysis.iso_gains import iso_gains
from studies.analysis.significance import LEVEL, MANN_WHITNEY, WILCOXON, holm, least_p, seeds_needed
from studies.analysis.tradeoff import Gain
from studies.study.pareto_front import igd_plus, losses

ATTAINED_BY = (0, 50, 100)
"""Percentiles of runs that attain a surface: the best run, half of the runs, all runs."""


@dataclass(frozen=True)
class Group:
    """Runs with the same settings and different seeds.

    Attributes:
        name: Name that the user gave.
        members: The runs. In a comparison all have the same objectives and bounds; see `aligned`.
    """

    name: str
    members: tuple[Contender, ...]

    def hypervolumes(self, evaluations: int) -> list[float]:
        """Hypervolume of each run after its first `evaluations`."""
        return [member.hypervolume(evaluations) for member in self.members]


@dataclass(frozen=True)
class GroupSummary:
    """Hypervolume of a group after equal numbers of evaluations.

    Attributes:
        name: Name of the group.
        runs: Number of runs.
        evaluations: Number of evaluations.
        median, min, max: Hypervolume over the runs.
        igd_plus: Median over the runs of the mean distance from the joint front of all groups, IGD+; None
            where a run has no feasible subnet.
    """

    name: str
    runs: int
    evaluations: int
    median: float
    min: float
    max: float
    igd_plus: float | None


@dataclass(frozen=True)
class GroupTest:
    """Significance test of the difference of two groups in hypervolume.

    Attributes:
        a, b: Names of the groups.
        test: ``wilcoxon`` (signed ranks, paired by seed) if both groups have the same seeds, otherwise
            ``mann-whitney``. Both are two-sided.
        p: p-value; None if all paired runs are equal.
        holm_p: The same, corrected for the number of tests (Holm 1979).
        seeds_needed: Least number of runs in each group at which the test can be significant beside the
            others; None if there are enough.
        effect: Probability that a run of `b` is better than a run of `a`, counting ties half (Vargha &
            Delaney 2000). 0.5 means no difference, 1 means always.
    """

    a: str
    b: str
    test: str
    p: float | None
    effect: float
    holm_p: float | None = None
    seeds_needed: int | None = None


@dataclass(frozen=True)
class GroupGains:
    """Gains of group `b` over group `a` at equal values, each a mean over pairs of runs.

    Attributes:
        a, b: Names of the groups.
        pairs: ``by seed`` if both groups ran the same seeds, else ``each with each``.
        gains: By measure, with intervals over seeds and images; None without a shared range.
        notes: Gains that have not converged.
    """

    a: str
    b: str
    pairs: str
    gains: dict[str, Gain | None]
    notes: tuple[str, ...]


def smallest(groups: Sequence[Group]) -> int:
    """Evaluations of the shortest run."""
    return min(len(member.evaluations) for group in groups for member in group.members)


def summaries(groups: Sequence[Group], evaluations: int) -> list[GroupSummary]:
    """Median and range of the hypervolumes of each group, and its median IGD+."""
    fronts = [
        member.study.scaled_losses(member.front_after(evaluations))
        for group in groups
        for member in group.members
    ]
    distances = iter(igd_plus(fronts))
    rows = []
    for group in groups:
        values = group.hypervolumes(evaluations)
        own = [next(distances) for _ in group.members]
        known = [distance for distance in own if distance is not None]
        rows.append(
            GroupSummary(
                group.name,
                len(values),
                evaluations,
                float(np.median(values)),
                min(values),
                max(values),
                float(np.median(known)) if len(known) == len(own) else None,
            )
        )
    return rows


def compared(groups: Sequence[Group], evaluations: int) -> list[GroupTest]:
    """Tests of every two `groups`, corrected for their number."""
    tests = [_test(first, second, evaluations) for first, second in combinations(groups, 2)]
    corrected = holm([1.0 if test.p is None else test.p for test in tests])
    runs = {group.name: len(group.members) for group in groups}
    return [
        replace(
            test,
            holm_p=None if test.p is None else p,
            seeds_needed=seeds_needed(test.test, len(tests))
            if least_p(test.test, runs[test.a], runs[test.b]) * len(tests) > LEVEL
            else None,
        )
        for test, p in zip(tests, corrected, strict=True)
    ]


def gained(groups: Sequence[Group], box: Box) -> list[GroupGains]:
    """Gains at equal values of every two `groups`."""
    results = []
    for first, second in combinations(groups, 2):
        order = _same_seeds(first, second)
        runs = second.members if order is None else [second.members[place] for place in order]
        is_paired = order is not None
        gains = iso_gains(first.members, runs, box, is_paired=is_paired)
        notes = moved_lately(first.members, runs, box, is_paired=is_paired)
        pairs = "by seed" if is_paired else "each with each"
        results.append(GroupGains(first.name, second.name, pairs, gains, tuple(notes)))
    return results


def _same_seeds(first: Group, second: Group) -> list[int] | None:
    """Runs of `second` in the order of the seeds of `first`; None if the groups ran different seeds."""
    seeds = [[member.study.fingerprint.get("seed") for member in group.members] for group in (first, second)]
    if sorted(map(str, seeds[0])) != sorted(map(str, seeds[1])) or len(set(seeds[0])) != len(seeds[0]):
        return None
    return [seeds[1].index(seed) for seed in seeds[0]]


def _test(first: Group, second: Group, evaluations: int) -> GroupTest:
    from scipy import stats  # The import takes half a second, and most comparisons have no groups.

    a, b = (np.array(group.hypervolumes(evaluations)) for group in (first, second))
    effect = float((b[:, None] > a[None, :]).mean() + 0.5 * (b[:, None] == a[None, :]).mean())
    order = _same_seeds(first, second)
    if order is None:
        return GroupTest(
            first.name, second.name, MANN_WHITNEY, float(stats.mannwhitneyu(a, b).pvalue), effect
        )
    difference = b[order] - a
    p = float(stats.wilcoxon(difference).pvalue) if difference.any() else None
    return GroupTest(first.name, second.name, WILCOXON, p, effect)


def attained(group: Group, cost: str) -> dict[int, list[tuple[float, float]]]:
    """Exact empirical attainment surfaces of accuracy against `cost`, by moocore.

    Returns:
        Corners (cost, accuracy) of the surface that a percentage of the runs attains, for each percentage in
        `ATTAINED_BY`; 0 stands for the best run alone. Empty if the runs lack one of the objectives.

    Raises:
        H4HError: A run has no feasible subnet.
    """
    names = group.members[0].study.objectives
    if cost not in names or QUALITY not in names:
        return {}
    columns = [names.index(cost), names.index(QUALITY)]
    directions = [group.members[0].study.directions[column] for column in columns]
    points, runs = [], []
    for number, member in enumerate(group.members):
        measured = [
            evaluation
            for evaluation in member.evaluations
            if evaluation.is_feasible and not evaluation.is_bound
        ]
        rows = [[evaluation.values[column] for column in columns] for evaluation in measured]
        if not rows:
            raise H4HError(
                f"study {member.name!r} has no feasible subnet: remove it from group {group.name!r}"
            )
        points.append(losses(np.array(rows, dtype=np.float64), directions))
        runs += [number] * len(rows)
    surfaces = moocore.eaf(np.concatenate(points), runs, percentiles=ATTAINED_BY)
    corners_by_share: dict[int, list[tuple[float, float]]] = {}
    for share in ATTAINED_BY:
        corners = losses(surfaces[surfaces[:, 2] == share][:, :2], directions)
        corners_by_share[share] = [(float(x), float(y)) for x, y in sorted(corners.tolist())]
    return corners_by_share
