"""Upper confidence bound on accuracy from a partial evaluation.

The bound is a betting game with one bet per image. Let p be the expected probability that the network is
right on an image: the share of the Pareto front's members that are. Suppose the network is right on H of all
N images. Then the mean of right - p over the images not yet seen is a known number m, and each of them is
equally likely to come next. A player stakes a share b of the capital against each of these means:

    capital *= 1 - b (right - p - m)

While the supposition holds, the capital stays equal on average. It ever grows c-fold with probability at most
1 / c, for any images and any number of looks (Ville's inequality). Once it has, H is rejected at confidence
1 - 1 / c. A larger H gives a larger m and a larger capital. So the largest H that is not rejected is an upper
bound, valid at all looks at once.

Betting for means of finite populations: Waudby-Smith & Ramdas, "Estimating means of bounded random variables
by betting", J. R. Stat. Soc. B 86 (2024), section 5. Races on the same images: Moore & Lee, "Efficient
algorithms for minimizing cross validation error", ICML 1994. The difference to the mean of many networks
varies less than the difference to a single network.
"""

from __future__ import annotations

import math

import numpy as np

from search_space.arrays import Booleans, Floats

BETS = (0.25, 0.5)
"""Shares that are staked, each with an equal part of the capital.

Shares are at most a half: right - p - m is at most 2, and a negative capital would prove nothing. Large bets
detect large differences on few images, small bets detect small ones."""


def is_rejected(total: int, seen: Booleans, expected: Floats, error: float) -> bool:
    """Whether one can reject that a network is right on `total` or more of all images.

    Args:
        total: Number of images.
        seen: Whether the network is right on each of the first images, ``(n,)``.
        expected: Expected probability of being right on each image, 0 to 1, ``(N,)``, in random order. Any
            values are sound; better ones need fewer images.
        error: Largest probability, over that order, of ever rejecting a true hypothesis.
    """
    right, left = int(seen.sum()), len(expected) - len(seen)
    if total <= right:
        return False
    if total > right + left:
        return True
    gains = seen - expected[: len(seen)]
    before = np.concatenate([[0.0], np.cumsum(gains)[:-1]])
    mean = (total - expected.sum() - before) / (len(expected) - np.arange(len(seen)))
    factors = 1 - np.multiply.outer(BETS, gains - mean)  # (bets, n)
    logs = np.cumsum(_logarithms(factors), axis=1)
    capital = np.logaddexp.reduce(logs, axis=0) - math.log(len(BETS))
    return bool(capital.max() >= -math.log(error))


def _logarithms(factors: Floats) -> Floats:
    """Logarithms of factors (bets, n), equal under AVX2 and AVX-512, unlike those of NumPy."""
    # A bet may lose everything, and by rounding even more.
    return np.array(
        [[math.log(factor) if factor > 0 else -math.inf for factor in row] for row in factors.tolist()]
    )


def upper_bound(seen: Booleans, expected: Floats, error: float) -> int:
    """Largest number of images that a network can be right on; for the arguments see `is_rejected`."""
    low = int(seen.sum())
    high = low + len(expected) - len(seen)
    while low < high:
        middle = (low + high + 1) // 2
        if is_rejected(middle, seen, expected, error):
            high = middle - 1
        else:
            low = middle
    return low
