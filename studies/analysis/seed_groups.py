"""Groups of runs with different seeds: spread, significance of differences, attainment surfaces.

A single run of a randomised search says little (Knowles, Thiele & Zitzler, TIK report 214, 2006).
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
"""Percentiles of the runs that attain a surface: the best run, half of them, all of them."""


@dataclass(frozen=True)
class Group:
    """Runs of one setting.

    Attributes:
        name: As the user named it.
        members: The runs; in a comparison all of them have the same objectives and bounds (`aligned`).
    """

    name: str
    members: tuple[Contender, ...]

    def hypervolumes(self, evaluations: int) -> list[float]:
        """Of each run after its first `evaluations`."""
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
    """Whether two settings differ in hypervolume.

    Attributes:
        a, b: Names of the groups.
        test: ``wilcoxon`` (signed ranks, paired by seed) where both ran the same seeds, else
            ``mann-whitney``; both two-sided.
        p: Probability of ranks so different if the settings were alike; None where too few runs differ.
        effect: Probability that a run of `b` is better than one of `a`, ties counted half (Vargha & Delaney
            2000): 0.5 is no difference, 1 means always.
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
    """How the runs of `group` spread."""
    values = group.hypervolumes(evaluations)
    return GroupSummary(
        group.name, len(values), evaluations, float(np.median(values)), min(values), max(values)
    )


def compared(groups: Sequence[Group], evaluations: int) -> list[GroupTest]:
    """Each two of `groups`."""
    return [_test(first, second, evaluations) for first, second in combinations(groups, 2)]


def _test(first: Group, second: Group, evaluations: int) -> GroupTest:
    from scipy import stats  # takes half a second, and most comparisons have no groups

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
    """Empirical attainment surfaces of accuracy against `cost`, exact by moocore.

    Returns:
        For each of `ATTAINED_BY` the corners (cost, accuracy) of what that share of the runs, in %, attains;
        0 stands for the best run alone. Empty where the runs lack one of the objectives.

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
        measured = [one for one in member.evaluations if one.is_feasible and not one.is_bound]
        rows = [[one.values[column] for column in columns] for one in measured]
        if not rows:
            raise H4HError(
                f"study {member.name!r} has no feasible subnet: leave it out of group {group.name!r}"
            )
        points.append(losses(np.array(rows, dtype=np.float64), directions))
        runs += [number] * len(rows)
    surfaces = moocore.eaf(np.concatenate(points), runs, percentiles=ATTAINED_BY)
    found: dict[int, list[tuple[float, float]]] = {}
    for share in ATTAINED_BY:
        corners = losses(surfaces[surfaces[:, 2] == share][:, :2], directions)
        found[share] = [(float(x), float(y)) for x, y in sorted(corners.tolist())]
    return found
