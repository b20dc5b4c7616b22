"""Kendall's rank correlation: whether forecasts put networks in the order in which they turn out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Kendall's tau-b of two sequences (n,): 1 for the same order, -1 for the opposite one.

    Pairs that are equal in one of them count for neither. 0 where one of them is constant, since then it
    says nothing about the order of the other; so also for fewer than 2 values.
    """
    orders = [np.sign(one[:, None] - one[None, :]) for one in (first, second)]
    pairs = np.sqrt(np.prod([np.abs(order).sum() for order in orders]))
    return float((orders[0] * orders[1]).sum() / pairs) if pairs else 0.0
