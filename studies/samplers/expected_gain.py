"""Expected hypervolume improvement of a batch of networks, and the greedy choice of a batch.

Possible measurements of m networks are given as samples. The gain of a set is the hypervolume that it adds to
the front, mean over the samples, which is the expected hypervolume improvement of a batch (Daulton et al.
2020). A set is chosen greedily: each next network has the largest gain in addition to the networks chosen so
far. Similar networks have similar values in every sample, so the second one adds little, which keeps a batch
diverse. The gain of a network only falls as others are chosen, so most gains are not recomputed (lazy greedy,
Minoux 1978).

Hypervolume is an integral: exact along one objective, the pivot, and a mean over evenly spread points of the
others.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from search_space.arrays import Floats

POINTS = 512
LEAST_GAIN = 1e-12
"""Share of the box below which a gain is rounding noise."""


def choose(losses: Floats, front: Floats, count: int, *, pivot: int) -> list[int]:
    """The networks to measure, best first.

    Args:
        losses: Losses of m networks in s samples, shape (s, m, k), scaled to 0 at the study's ideal and 1 at
            its reference. A network that is infeasible in a sample has 1 there.
        front: Scaled losses of the front so far, shape (n, k); n may be 0.
        count: Number of networks to choose.
        pivot: Objective of the exact integration; preferably one that differs between samples.

    Returns:
        Different rows, 0 to m - 1; fewer than `count` if no other network has a gain.
    """
    losses, front = np.clip(losses, 0.0, 1.0), np.clip(front, 0.0, 1.0)
    others = [column for column in range(losses.shape[2]) if column != pivot]
    lowest = losses[:, :, others].min(axis=(0, 1)) if losses.shape[1] else np.zeros(len(others))
    points = lowest + (1 - lowest) * spread_points(POINTS if others else 1, len(others))
    level = np.ones(len(points))
    for member in front:
        covered = (member[others] <= points).all(axis=1)
        level[covered] = np.minimum(level[covered], member[pivot])
    # For each point and sample: the best pivot loss among networks no worse than the point in the others.
    levels = np.tile(level[:, None], (1, len(losses)))
    is_certain = (losses[:, :, others] == losses[:1, :, others]).all(axis=(0, 2))

    def reached(row: int) -> tuple[Any, Floats]:
        """Points and samples at which a network is no worse in the others, and its pivot loss there."""
        if is_certain[row]:  # Exact costs: the same points in all samples.
            points_reached = np.flatnonzero((losses[0, row, others] <= points).all(axis=1))
            return points_reached, np.broadcast_to(losses[:, row, pivot], (len(points_reached), len(losses)))
        covered = np.ones(levels.shape, dtype=np.bool_)
        for column, coordinates in zip(others, points.T, strict=True):
            covered &= losses[:, row, column] <= coordinates[:, None]
        return covered, np.broadcast_to(losses[:, row, pivot], levels.shape)[covered]

    def gain(row: int) -> float:
        where, loss = reached(row)
        return float(np.maximum(levels[where] - loss, 0.0).sum()) / max(levels.size, 1)

    # Last computed gains, largest first; of equal gains the lower row.
    waiting = [(-gain(row), row) for row in range(losses.shape[1])]
    heapq.heapify(waiting)
    chosen: list[int] = []
    while waiting and len(chosen) < count:
        _, row = waiting[0]
        now = (-gain(row), row)
        if now != waiting[0]:
            heapq.heapreplace(waiting, now)
            continue
        if -now[0] < LEAST_GAIN:
            break
        heapq.heappop(waiting)
        chosen.append(row)
        where, loss = reached(row)
        levels[where] = np.minimum(levels[where], loss)
    return chosen


def spread_points(count: int, dimensions: int) -> Floats:
    """Evenly spread points of the unit cube, shape (count, dimensions): an additive recurrence.

    Its steps are powers of the one real root of x^(dimensions + 1) = x + 1 (Roberts 2018).
    """
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    # Python's powers, since the last bits of NumPy's depend on the CPU.
    powers = np.array([root**-exponent for exponent in range(1, dimensions + 1)])
    points: Floats = (0.5 + powers * np.arange(1.0, count + 1)[:, None]) % 1.0
    return points
