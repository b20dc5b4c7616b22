"""Upper confidence bound on accuracy from a partial evaluation.

A game of bets, one per image. Before an image is seen, p says how likely the network is to be right on it:
the share of the Pareto front's members that are. Suppose the network were right on H of all N images. Then
right - p of those not yet seen is m on average, a known number, and each of them is as likely to come next as
any other. So whoever stakes a share b of a capital against each of these averages,

    capital *= 1 - b (right - p - m),

neither gains nor loses on average while the supposition is true. Whatever the images, and however often
somebody looks, the capital then ever grows c-fold with probability 1 / c at most (Ville's inequality). Where
it has grown so, H is rejected at confidence 1 - 1 / c. The larger H, the larger m and the capital; so the
largest H that is not rejected is an upper bound, which holds at all looks at once.

Betting for means of finite populations: Waudby-Smith & Ramdas, "Estimating means of bounded random variables
by betting", J. R. Stat. Soc. B 86 (2024), section 5. That a race gains from comparing on the same images:
Moore & Lee, "Efficient algorithms for minimizing cross validation error", ICML 1994. The difference to the
mean of many networks varies less than that to any one of them.
"""

from __future__ import annotations

import math

import numpy as np

from search_space.arrays import Booleans, Floats

BETS = (0.25, 0.5)
"""Shares that are staked, each with an equal part of the capital.

At most a half: right - p - m is at most 2, and a capital below 0 would prove nothing. Large bets find large
differences on few images, small bets find small ones."""


def is_rejected(total: int, seen: Booleans, expected: Floats, error: float) -> bool:
    """Whether a network can be ruled out to be right on `total` or more of all images.

    Args:
        total: Number of images.
        seen: Whether it is right on each of the first images, ``(n,)``.
        expected: How likely it was held to be right on each image, 0 to 1, ``(N,)``, in an order drawn at
            random. Any values are sound; the closer to the truth, the fewer images are needed.
        error: Greatest probability, over that order, of ever ruling out what is true.
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
    """Logarithms of factors (bets, n) as AVX2 and AVX-512 both give them, unlike those of NumPy."""
    # All may be lost, in rounding even more.
    return np.array(
        [[math.log(factor) if factor > 0 else -math.inf for factor in row] for row in factors.tolist()]
    )


def upper_bound(seen: Booleans, expected: Floats, error: float) -> int:
    """Most images that a network can be right on; arguments as those of `is_rejected`."""
    low = int(seen.sum())
    high = low + len(expected) - len(seen)
    while low < high:
        middle = (low + high + 1) // 2
        if is_rejected(middle, seen, expected, error):
            high = middle - 1
        else:
            low = middle
    return low
