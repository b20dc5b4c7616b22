"""Hypervolume of a study after each evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studies.analysis.comparison import ComparisonError, Contender, aligned

MOST_MOMENTS, MOMENTS = 60, {5: 20, 6: 5}
"""Points of a hypervolume's curve, and fewer by the number of objectives: the exact hypervolume of a large
front takes a millisecond in three dimensions and seconds in six."""


def hypervolume_curves(
    contenders: Sequence[Contender],
) -> tuple[list[list[tuple[int, float]]], tuple[str, ...]]:
    """Hypervolume after some numbers of evaluations, for each study, and by which objectives.

    Several studies are measured in one box by the objectives they share; without any, each in its own, and
    no objectives are named.
    """
    measured_by = contenders[0].study.objectives
    if len(contenders) > 1:
        try:
            contenders = aligned(contenders)
            measured_by = contenders[0].study.objectives
        except ComparisonError:
            measured_by = ()
    return [hypervolume_curve(one) for one in contenders], measured_by


def hypervolume_curve(contender: Contender) -> list[tuple[int, float]]:
    """Number of evaluations, and the hypervolume of the front of so many, at up to `MOMENTS` moments."""
    most = MOMENTS.get(len(contender.study.goals), MOST_MOMENTS)
    counts = [place + 1 for place in spread_over(len(contender.evaluations), most)]
    return [(count, contender.hypervolume(count)) for count in counts]


def spread_over(count: int, most: int) -> list[int]:
    """Places 0 to `count` - 1, or `most` of them evenly spread, both ends included."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, most).round()]
