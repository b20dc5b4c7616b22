"""Significance of differences between groups of runs: Holm's correction, and seeds that a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

LEVEL = 0.05
"""Level of the tests."""
WILCOXON, MANN_WHITNEY = "wilcoxon", "mann-whitney"
_MOST_SEEDS = 1000


def holm(p: Sequence[float]) -> list[float]:
    """Probabilities corrected for multiple comparisons (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(np.array(p)[order] * factors), 1.0)
    return [float(p) for p in corrected]


def least_p(test: str, first: int, second: int) -> float:
    """Smallest p-value that a two-sided exact test can reach, when every difference has the same sign.

    Args:
        test: `WILCOXON` for `first` pairs, or `MANN_WHITNEY`.
        first: Number of runs of one group.
        second: Number of runs of the other.
    """
    orders = 2**first if test == WILCOXON else comb(first + second, first)
    return min(1.0, 2 / orders)


def seeds_needed(test: str, comparisons: int) -> int:
    """Least number of runs in each group at which a test can reach `LEVEL` among so many comparisons."""
    return next(
        count for count in range(1, _MOST_SEEDS) if least_p(test, count, count) * comparisons <= LEVEL
    )
