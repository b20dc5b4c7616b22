"""Gains at equal values between studies or groups of runs, with bootstrap intervals.

These are the measures of H4H (ASP-DAC 2025): accuracy gained at equal latency or energy, and latency or
energy saved at equal accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_space.arrays import Floats
from studies.analysis.contenders import COSTS, QUALITY, Box, Contender
from studies.analysis.resampled_gains import MeasuredCurve, group_gains
from studies.analysis.tradeoff import Gain, tradeoff
from studies.study.accuracy_errors import scoring_images, standard_errors
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import part_of


def iso_gains(
    first: Sequence[Contender],
    second: Sequence[Contender],
    box: Box,
    *,
    is_paired: bool = True,
    share: float = 1.0,
    with_intervals: bool = True,
) -> dict[str, Gain | None]:
    """Gains of the second group of runs over the first, by measure; None where there is none.

    Args:
        first: Runs with the same objectives, one for a single study.
        second: Other runs with these objectives.
        box: Wishes for the box; its window limits the curves.
        is_paired: Whether both groups ran the same seeds, in the same order.
        share: Share of each run's evaluations to use, from its start.
        with_intervals: Whether to resample, which takes most of the time.
    """
    gains: dict[str, Gain | None] = {}
    for cost in COSTS:
        curves = [[measured_curve(run, cost, share) for run in runs] for runs in (first, second)]
        known = [[curve for curve in side if curve is not None] for side in curves]
        gained, saved = None, None
        if all(len(side) == len(runs) for side, runs in zip(known, (first, second), strict=True)):
            gained, saved = group_gains(
                known[0],
                known[1],
                box.curve_window(cost),
                is_paired=is_paired,
                with_intervals=with_intervals,
            )
        gains[f"{QUALITY}_at_equal_{cost}"], gains[f"{cost}_at_equal_{QUALITY}"] = gained, saved
    return gains


def measured_curve(run: Contender, cost: str, share: float = 1.0) -> MeasuredCurve | None:
    """Front of accuracy against `cost`, one member per cost; None if the study lacks one of them."""
    names = run.study.objectives
    if QUALITY not in names or cost not in names:
        return None
    rows = [
        row
        for row in run.evaluations[: round(share * len(run.evaluations))]
        if row.is_feasible and not row.is_bound
    ]
    values: Floats = np.array([row.values for row in rows], dtype=np.float64).reshape(len(rows), len(names))
    costs, accuracies = values[:, names.index(cost)], values[:, names.index(QUALITY)]
    curve = tradeoff(costs, accuracies)
    first = dict(
        zip(zip(costs[::-1].tolist(), accuracies[::-1].tolist(), strict=True), rows[::-1], strict=True)
    )
    members = [first[point] for point in zip(curve.cost.tolist(), curve.quality.tolist(), strict=True)]
    images = scoring_images(run.study)
    errors = np.zeros(len(members)) if images is None else standard_errors(curve.quality, images)
    return MeasuredCurve(curve, errors, tuple(_measured(run, member) for member in members))


def _measured(run: Contender, row: Evaluation) -> tuple[str, str, tuple[int, ...]]:
    weights, images = (part_of(run.study.fingerprint, QUALITY, key) or "" for key in ("checkpoint", "images"))
    return weights, images, run.study.network(row.genotype)
