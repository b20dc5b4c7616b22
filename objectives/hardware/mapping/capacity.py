"""Capacity of the macros as a budget over a whole network: a Lagrange multiplier, then greedy repair.

Each segment has mappings that trade cost for weight bytes in the macros. The multiplier is a price per byte;
each segment uses its cheapest mapping at that price and changes it only at prices known from its convex hull.
Walking these prices in order finds the lowest price at which everything fits, to which a bisection would
converge. The rest of the budget is spent on the best gain per byte that still fits, until nothing fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from objectives.hardware.mapping.device_choice import (
    Weights,
)
from objectives.hardware.mapping.segment_solver import (
    Point,
)
from search_space.arrays import Floats, Integers


@dataclass(frozen=True)
class Options:
    """Alternative mappings of one segment.

    Attributes:
        points: The k mappings.
        cost: Cost to minimise (k,).
        size: Weight bytes in the macros (k,).
        hull: Indices of the mappings on the lower convex hull of cost over bytes, from the cheapest to the
            one with the fewest bytes (h,).
        prices: Price per byte above which the next point of the hull is cheaper, ascending (h - 1,).
        saved: Bytes that the next point saves (h - 1,).
    """

    points: tuple[Point, ...]
    cost: Floats
    size: Floats
    hull: Integers
    prices: Floats
    saved: Floats

    @classmethod
    def of(cls, points: Sequence[Point], weights: Weights) -> Self:
        """Alternatives `points`, at least one, with their costs by `weights`."""
        indices = hull(points, weights)
        cost = np.array([point.value(weights) for point in points])
        size = np.array([point.weight_bytes for point in points])
        saved = -np.diff(size[indices])
        return cls(tuple(points), cost, size, np.array(indices), np.diff(cost[indices]) / saved, saved)


def hull(points: Sequence[Point], weights: Weights) -> list[int]:
    """Indices of the lower convex hull of cost over bytes, from the cheapest to the fewest bytes."""

    def slope(small: int, large: int) -> float:
        saved = points[small].value(weights) - points[large].value(weights)
        return saved / (points[large].weight_bytes - points[small].weight_bytes)

    def order(index: int) -> tuple[float, float, tuple[float, float, float]]:
        point = points[index]
        return point.weight_bytes, point.value(weights), point.key

    front: list[int] = []  # ascending bytes, descending cost
    for index in sorted(range(len(points)), key=order):
        if front and points[index].value(weights) >= points[front[-1]].value(weights):
            continue
        while len(front) > 1 and slope(front[-2], index) >= slope(front[-2], front[-1]):
            front.pop()
        front.append(index)
    return front[::-1]


def within(options: Sequence[Options], budget: float) -> list[Point]:
    """One mapping for each segment, together within `budget` bytes, at low total cost.

    Args:
        options: Mappings of each segment; one of them needs no bytes.
        budget: Bytes for weights in all macros in use.
    """
    prices = np.concatenate([segment.prices for segment in options])
    owner = np.repeat(np.arange(len(options)), [len(segment.prices) for segment in options])
    saved = np.concatenate([segment.saved for segment in options])
    order = np.argsort(prices, kind="stable")
    full = sum(float(segment.size[segment.hull[0]]) for segment in options)
    used = full - np.concatenate([[0.0], np.cumsum(saved[order])])  # after 0, 1, ... moves
    moves = int(np.argmax(used <= budget))
    places = np.bincount(owner[order[:moves]], minlength=len(options))
    taken = [int(segment.hull[place]) for segment, place in zip(options, places, strict=True)]
    pairs = zip(options, repaired(taken, options, budget), strict=True)
    return [segment.points[index] for segment, index in pairs]


def repaired(taken: Sequence[int], options: Sequence[Options], budget: float) -> list[int]:
    """`taken`, an index for each segment, after the rest of the budget went to the best gains per byte."""
    owner = np.repeat(np.arange(len(options)), [len(segment.points) for segment in options])
    start = np.searchsorted(owner, np.arange(len(options)))
    cost = np.concatenate([segment.cost for segment in options])
    size = np.concatenate([segment.size for segment in options])
    now = start + np.array(taken)
    while True:
        more, gain = size - size[now][owner], cost[now][owner] - cost
        can = (gain > 0) & (more <= budget - size[now].sum())
        if not can.any():
            return [int(index) for index in now - start]
        rate = np.where(can, gain / np.where(more > 0, more, 1.0), -np.inf)
        best = int(np.argmax(np.where(can & (more <= 0), np.inf, rate)))
        now[owner[best]] = best
