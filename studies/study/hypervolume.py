"""Bounds of the hypervolume, and the hypervolume of fronts.

Each loss is scaled so that the study's ideal is 0 and its reference is 1, and clipped to that range. The
hypervolume is the share of the unit cube that the front dominates, 0 to 1. Ideal and reference are fixed when
the study is created (`bounds`), so hypervolumes of one study, or of studies with the same bounds, are
comparable, and that of a growing archive never falls. moocore computes it exactly (Fonseca, Paquete &
Lopez-Ibanez 2006).
"""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np

from search_space.arrays import Floats
from studies.study.cost_scale import LINEAR, LOG

MARGIN = 0.1
"""Margin of the bounds on either side, as a share of the range between smallest and largest subnet.

Some networks lie beyond both subnets (the one with the fewest operations need not be the fastest). A
reference beyond the worst value makes extreme points count (Ishibuchi et al. 2018)."""


def bounds(
    extremes: Floats, directions: Sequence[str], units: Sequence[str], *, scale: str = LINEAR
) -> tuple[Floats, Floats]:
    """Ideal and reference point of a study, in natural values, each of shape (m,).

    A percentage spans 0 to 100. Any other objective spans the values of the smallest and the largest
    subnet, widened by `MARGIN` on either side but not below 0. A cost on a logarithmic scale is widened by a
    factor: the ratio of its two values to the power of `MARGIN`.

    Args:
        extremes: Natural values of smallest and largest subnet, shape (2, m); percentages may be NaN.
        directions: ``"max"`` or ``"min"`` of each objective.
        units: Unit of each objective.
        scale: Scale of costs, one of `SCALES`.
    """
    low, high = np.empty(len(units)), np.empty(len(units))
    for column, unit in enumerate(units):
        if unit == "%":
            low[column], high[column] = 0.0, 100.0
            continue
        least, most = extremes[:, column].min(), extremes[:, column].max()
        if scale == LOG and directions[column] == "min" and least > 0:
            # If both subnets agree, there is no ratio to widen by.
            factor = (most / least) ** MARGIN if most > least else 1 + MARGIN
            low[column], high[column] = least / factor, most * factor
            continue
        # If both subnets agree, the value itself gives the scale.
        margin = MARGIN * ((most - least) or abs(most) or 1.0)
        low[column] = max(least - margin, 0.0) if least >= 0 else least - margin
        high[column] = most + margin
    is_max = np.array(directions) == "max"
    return np.where(is_max, high, low), np.where(is_max, low, high)


def scaled(points: Floats, ideal: Floats, reference: Floats) -> Floats:
    """Losses of shape (n, m), scaled to 0 at `ideal` and 1 at `reference`; not clipped."""
    return (points - ideal) / (reference - ideal)


def hypervolume(points: Floats, ideal: Floats, reference: Floats) -> float:
    """Share of the box between `ideal` and `reference` that `points` dominate, 0 to 1.

    Points beyond either corner are clipped to it, not dropped.

    Args:
        points: Losses, shape (n, m); n may be 0.
        ideal: Best losses, shape (m,).
        reference: Worst losses, shape (m,), each greater than `ideal`.
    """
    if len(points) == 0:
        return 0.0
    clipped = np.clip(scaled(points, ideal, reference), 0.0, 1.0)
    return float(moocore.hypervolume(clipped, ref=np.ones(clipped.shape[1])))


def contributions(points: Floats, ideal: Floats, reference: Floats) -> Floats:
    """Hypervolume lost without each point, shape (n,).

    A point that equals another one contributes nothing.

    Args:
        points: As `hypervolume` takes them, as are the others.
        ideal: Best losses.
        reference: Worst losses.
    """
    if len(points) == 0:
        return np.empty(0)
    clipped = np.clip(scaled(points, ideal, reference), 0.0, 1.0)
    if clipped.shape[1] > 1:
        lost: Floats = moocore.hv_contributions(
            clipped, ref=np.ones(clipped.shape[1]), ignore_dominated=False
        )
        return lost
    # moocore needs at least two objectives. With one, only the best point contributes, by its lead.
    best, second = np.sort(np.append(clipped[:, 0], 1.0))[:2]
    return np.where(clipped[:, 0] == best, second - best, 0.0)


def spread(points: Floats, ideal: Floats, reference: Floats, count: int) -> list[int]:
    """Rows of a front, at most `count`, in ascending order; the least contributor is removed repeatedly.

    Args:
        points: As `hypervolume` takes them, as are the others.
        ideal: Best losses.
        reference: Worst losses.
        count: Largest number of rows.
    """
    rows = list(range(len(points)))
    while len(rows) > count:
        del rows[int(contributions(points[rows], ideal, reference).argmin())]
    return rows
