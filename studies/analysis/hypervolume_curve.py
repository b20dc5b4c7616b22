"""Hypervolume of a study after each evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from studies.analysis.contenders import ComparisonError, Contender, aligned

MOST_MOMENTS, MOMENTS = 60, {5: 20, 6: 5}
"""Most points of a curve, and most by number of objectives. The exact hypervolume of a large front takes a
millisecond in three dimensions but seconds in six."""


def hypervolume_curves(
    contenders: Sequence[Contender],
) -> tuple[list[list[tuple[int, float]]], tuple[str, ...]]:
    """Hypervolume curve of each study, and the names of the objectives that it covers.

    Several studies share one box of their common objectives. Without common objectives, each study has its
    own box, and no names are returned.
    """
    measured_by = contenders[0].study.objectives
    if len(contenders) > 1:
        try:
            contenders = aligned(contenders)
            measured_by = contenders[0].study.objectives
        except ComparisonError:
            measured_by = ()
    return [hypervolume_curve(contender) for contender in contenders], measured_by


def hypervolume_curve(contender: Contender) -> list[tuple[int, float]]:
    """Pairs of a number of evaluations and the hypervolume of the front after them."""
    most = MOMENTS.get(len(contender.study.goals), MOST_MOMENTS)
    counts = [place + 1 for place in spread_over(len(contender.evaluations), most)]
    return [(count, contender.hypervolume(count)) for count in counts]


def spread_over(count: int, most: int) -> list[int]:
    """Indices 0 to `count` - 1, or `most` of them, evenly spread with both ends."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, most).round()]
