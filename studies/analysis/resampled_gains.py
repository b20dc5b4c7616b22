"""Bootstrap intervals of gains: other images, and other seeds where there are several runs.

Images: an accuracy p over n images has the standard error sqrt(p (1 - p) / n). Each resample adds a normal
draw of that size to the accuracy of every member of a front. Part of it is common to all networks on the same
images (`accuracy_errors`). The rest is a network's own, and the same in both studies if they scored it with
the same weights and images. Seeds: runs are drawn with replacement, both groups by the same draw
where they ran the same seeds (Efron & Tibshirani 1993, chapters 6 and 13).

Resamples keep the members of a front. The luck by which a search chose them stays in the figure itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.analysis.tradeoff import Gain, Tradeoff, cost_saved, quality_gained, within
from studies.study.accuracy_errors import SHARED_LUCK

RESAMPLES = 400
PERCENTILES = (2.5, 97.5)
_SEED = 0

Measured = tuple[str, str, Genotype]
"""What decides an accuracy: weights, images, network."""
Interval = tuple[float, float]
Gains = tuple[Gain | None, Gain | None]
"""Accuracy gained at equal cost, cost saved at equal accuracy."""


@dataclass(frozen=True)
class MeasuredCurve:
    """Front of accuracy against one cost, with the noise of its accuracies.

    Attributes:
        curve: The front.
        errors: Standard error of each accuracy in points, shape (n,); zeros where it is not known.
        networks: What each accuracy was measured of.
    """

    curve: Tradeoff
    errors: Floats
    networks: tuple[Measured, ...]

    @property
    def is_noisy(self) -> bool:
        """Whether the noise of any accuracy is known."""
        return bool(self.errors.any())

    def redrawn(self, draws: Mapping[Measured, float]) -> Tradeoff:
        """The front with accuracies moved by their standard errors times `draws`."""
        moved = self.curve.quality + self.errors * [draws[network] for network in self.networks]
        # Costs ascend, so a member stays on the front if it is better than all before it.
        before = np.concatenate([[-np.inf], np.maximum.accumulate(moved)[:-1]])
        return Tradeoff(self.curve.cost[moved > before], moved[moved > before])


@dataclass(frozen=True)
class CurveWindow:
    """Part of the curves to compare.

    Attributes:
        costs: Least and greatest cost; None without a limit.
        qualities: Least and greatest accuracy; None without a limit.
    """

    costs: Interval | None = None
    qualities: Interval | None = None

    def gains(self, first: Tradeoff, second: Tradeoff) -> Gains:
        """Accuracy gained by `second` at equal cost, and cost saved at equal accuracy, inside the window."""
        first, second = (within(curve, self.costs, self.qualities) for curve in (first, second))
        return quality_gained(first, second), cost_saved(first, second)


def group_gains(
    first: Sequence[MeasuredCurve],
    second: Sequence[MeasuredCurve],
    window: CurveWindow,
    *,
    is_paired: bool = True,
    with_intervals: bool = True,
) -> Gains:
    """Gains of one group of runs over another, with bootstrap intervals.

    Args:
        first: Curve of each run of a group; one for a single study.
        second: The other group.
        window: Part of the curves to compare.
        is_paired: Whether both groups ran the same seeds, in the same order.
        with_intervals: Whether to resample.

    Returns:
        Accuracy gained at equal cost, and cost saved at equal accuracy. Mean and most are means over the
        pairs of runs that share a range: runs of the same seed, or each run with each. The range encloses
        those of all pairs. None where no pair shares a range.
    """
    pairs = list(zip(first, second, strict=True) if is_paired else product(first, second))
    by_pair = [window.gains(a.curve, b.curve) for a, b in pairs]
    varies = with_intervals and (
        len(first) > 1 or len(second) > 1 or any(run.is_noisy for run in (*first, *second))
    )
    rows = _resamples(first, second, window, is_paired=is_paired) if varies else np.empty((0, 2, 2))
    return (
        _with_intervals([each[0] for each in by_pair], rows[:, 0]),
        _with_intervals([each[1] for each in by_pair], rows[:, 1]),
    )


def _with_intervals(by_pair: Sequence[Gain | None], rows: Floats) -> Gain | None:
    gains = [gain for gain in by_pair if gain is not None]
    if not gains:
        return None
    rows = rows[~np.isnan(rows).any(axis=1)]
    ends = np.percentile(rows, PERCENTILES, axis=0).T.tolist() if len(rows) else [None, None]
    return Gain(
        float(np.mean([gain.mean for gain in gains])),
        float(np.mean([gain.max for gain in gains])),
        (min(gain.range[0] for gain in gains), max(gain.range[1] for gain in gains)),
        *(None if each is None else (each[0], each[1]) for each in ends),
    )


def _luck(networks: Sequence[Measured], rng: np.random.Generator) -> dict[Measured, float]:
    """A standard normal draw for each network; those of the same images correlate by `SHARED_LUCK`."""
    images = list(dict.fromkeys(network[1] for network in networks))
    common = dict(zip(images, rng.standard_normal(len(images)).tolist(), strict=True))
    own = rng.standard_normal(len(networks)).tolist()
    return {
        network: sqrt(SHARED_LUCK) * common[network[1]] + sqrt(1 - SHARED_LUCK) * luck
        for network, luck in zip(networks, own, strict=True)
    }


def _resamples(
    first: Sequence[MeasuredCurve],
    second: Sequence[MeasuredCurve],
    window: CurveWindow,
    *,
    is_paired: bool,
) -> Floats:
    """Mean and most of either gain in each resample, shape (resamples, 2, 2); NaN without a shared range."""
    rng = np.random.default_rng(_SEED)
    networks = list(dict.fromkeys(name for run in (*first, *second) for name in run.networks))
    count = max(len(first), len(second))
    rows = np.full((RESAMPLES, 2, 2), np.nan)
    for row in rows:
        draws = _luck(networks, rng)
        places = [rng.integers(0, len(runs), count).tolist() for runs in (first, second)]
        if is_paired:
            places[1] = places[0]
        curves = [
            {place: runs[place].redrawn(draws) for place in set(drawn)}
            for runs, drawn in zip((first, second), places, strict=True)
        ]
        by_pair = [window.gains(curves[0][a], curves[1][b]) for a, b in zip(*places, strict=True)]
        for column in (0, 1):
            known = [gain for each in by_pair if (gain := each[column]) is not None]
            if known:
                row[column] = np.mean([(gain.mean, gain.max) for gain in known], axis=0)
    return rows
