"""Groups of runs with different seeds: spread, significance of differences, attainment surfaces.

Conclusions about a randomised search need several runs (Knowles, Thiele & Zitzler, TIK report 214, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import moocore
import numpy as np

from search_space.errors import H4HError
from studies.analysis.comparison import QUALITY, Contender
from studies.study.pareto_front import losses

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
    """Hypervolume of a group after equal numbers of evaluations."""

    name: str
    runs: int
    evaluations: int
    median: float
    min: float
    max: float


@dataclass(frozen=True)
class GroupTest:
    """Significance test of the difference of two groups in hypervolume.

    Attributes:
        a, b: Names of the groups.
        test: ``wilcoxon`` (signed ranks, paired by seed) if both groups have the same seeds, otherwise
            ``mann-whitney``. Both are two-sided.
        p: p-value; None if all paired runs are equal.
        effect: Probability that a run of `b` is better than a run of `a`, counting ties half (Vargha &
            Delaney 2000). 0.5 means no difference, 1 means always.
    """

    a: str
    b: str
    test: str
    p: float | None
    effect: float


def smallest(groups: Sequence[Group]) -> int:
    """Evaluations of the shortest run."""
    return min(len(member.evaluations) for group in groups for member in group.members)


def summary(group: Group, evaluations: int) -> GroupSummary:
    """Median and range of the hypervolumes of `group`."""
    values = group.hypervolumes(evaluations)
    return GroupSummary(
        group.name, len(values), evaluations, float(np.median(values)), min(values), max(values)
    )


def compared(groups: Sequence[Group], evaluations: int) -> list[GroupTest]:
    """Tests of every two `groups`."""
    return [_test(first, second, evaluations) for first, second in combinations(groups, 2)]


def _test(first: Group, second: Group, evaluations: int) -> GroupTest:
    from scipy import stats  # The import takes half a second, and most comparisons have no groups.

    a, b = (np.array(group.hypervolumes(evaluations)) for group in (first, second))
    effect = float((b[:, None] > a[None, :]).mean() + 0.5 * (b[:, None] == a[None, :]).mean())
    seeds = [[member.study.fingerprint.get("seed") for member in group.members] for group in (first, second)]
    is_paired = sorted(map(str, seeds[0])) == sorted(map(str, seeds[1])) and len(set(seeds[0])) == len(a)
    if not is_paired:
        return GroupTest(
            first.name, second.name, "mann-whitney", float(stats.mannwhitneyu(a, b).pvalue), effect
        )
    order = [seeds[1].index(seed) for seed in seeds[0]]
    difference = b[order] - a
    p = float(stats.wilcoxon(difference).pvalue) if difference.any() else None
    return GroupTest(first.name, second.name, "wilcoxon", p, effect)


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
