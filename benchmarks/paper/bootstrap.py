"""Paired bootstrap over seeds and test images.

Row 0 of every array is the sample itself; the other rows are resamples. All fronts use the same rows, so the
two chips of a pair always have the same seeds and the same images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.protocol import RANDOM_SEED
from search_space.arrays import Booleans, Floats

PERCENTILES = (2.5, 97.5)
ROWS = 250
"""Resamples whose accuracies are computed at a time."""


@dataclass(frozen=True)
class Resampling:
    """How often each seed and each image is drawn.

    Attributes:
        seeds: (rows, seeds); each row sums to the number of seeds.
        images: (rows, images); each row sums to the number of images.
    """

    seeds: NDArray[np.int64]
    images: NDArray[np.int64]

    def accuracies(self, answers: Booleans) -> Floats:
        """Accuracies in % of n networks in each row, (rows, n).

        Args:
            answers: Whether each network is right on each image, (n, images).
        """
        count = self.images.shape[1]
        right = answers.T.astype(np.float32)
        # Sums of whole numbers below 2**24 are exact in float32.
        sums = [
            self.images[start : start + ROWS].astype(np.float32) @ right
            for start in range(0, len(self.images), ROWS)
        ]
        accuracies: Floats = 100.0 * np.concatenate(sums).astype(np.float64) / count
        return accuracies

    def mean_over_seeds(self, values: Sequence[Floats]) -> Floats:
        """Mean over the drawn seeds, (rows,); seeds at which a value is undefined are left out.

        Args:
            values: Values (rows,) of each seed.
        """
        table = np.stack(values, axis=1)  # (rows, seeds)
        weights = np.where(np.isnan(table), 0, self.seeds)
        total = weights.sum(axis=1)
        # An infinite value must not meet the weight 0 of a seed that was not drawn.
        sums = np.where(weights > 0, table * np.where(weights > 0, weights, 1), 0.0)
        mean: Floats = np.where(total > 0, sums.sum(axis=1) / np.maximum(total, 1), np.nan)
        return mean


def resampling(seeds: int, images: int, resamples: int) -> Resampling:
    """`resamples` draws of seeds and images with replacement, behind the sample itself.

    Args:
        seeds: Number of seeds.
        images: Number of test images.
        resamples: Number of resamples; 0 gives the sample alone.
    """
    rng = np.random.default_rng(RANDOM_SEED)
    drawn = [
        np.concatenate(
            [np.ones((1, count), np.int64), rng.multinomial(count, np.full(count, 1 / count), resamples)]
        )
        for count in (seeds, images)
    ]
    return Resampling(*drawn)


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; NaN where it is undefined.

    Attributes:
        value: Of the sample.
        low: 2.5 percentile of the resamples.
        high: 97.5 percentile.
    """

    value: float
    low: float
    high: float


def estimate(rows: Floats) -> Estimate:
    """The estimate from row 0, the sample, and the resamples behind it; undefined ones are left out."""
    resamples = rows[1:][~np.isnan(rows[1:])]
    if len(resamples) == 0:
        return Estimate(float(rows[0]), float("nan"), float("nan"))
    low, high = np.percentile(resamples, PERCENTILES, method="nearest")
    return Estimate(float(rows[0]), float(low), float(high))
