"""The capacity of the macros as a budget over a whole network: a Lagrange multiplier, then repair.

Each segment offers mappings that trade cost for weight bytes in a macro. A multiplier puts a price on a
byte; each segment takes what is cheapest at that price, and moves on only at prices known from its hull. So
the least price at which everything fits is found by walking these prices in order, which is what a bisection
converges to. What is then left of the budget is spent on the best gain per byte that fits, until nothing
does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from objectives.hardware.mapping.segment import Point, Weights
from search_space.arrays import Floats, Integers


@dataclass(frozen=True)
class Options:
    """Mappings of a segment, of which a network takes one.

    Attributes:
        points: All of them.
        cost: What is minimised, of each (k,).
        size: Weight bytes in a macro of each (k,).
        hull: Indices of those on the lower convex hull of cost over bytes, from the cheapest to the one with
            the fewest bytes (h,).
        prices: Price of a byte from which the next point of the hull is cheaper, ascending (h - 1,).
        saved: Bytes that it saves (h - 1,).
    """

    points: tuple[Point, ...]
    cost: Floats
    size: Floats
    hull: Integers
    prices: Floats
    saved: Floats

    @classmethod
    def of(cls, points: Sequence[Point], weights: Weights) -> Self:
        """`points`, at least one, with their cost by `weights`."""
        indices = hull(points, weights)
        cost = np.array([point.value(weights) for point in points])
        size = np.array([point.macro_bytes for point in points])
        saved = -np.diff(size[indices])
        return cls(tuple(points), cost, size, np.array(indices), np.diff(cost[indices]) / saved, saved)


def hull(points: Sequence[Point], weights: Weights) -> list[int]:
    """Lower convex hull of cost over bytes, from the cheapest to the fewest bytes, as indices."""

    def slope(small: int, large: int) -> float:
        saved = points[small].value(weights) - points[large].value(weights)
        return saved / (points[large].macro_bytes - points[small].macro_bytes)

    def order(index: int) -> tuple[float, float, tuple[float, float, float]]:
        point = points[index]
        return point.macro_bytes, point.value(weights), point.key

    front: list[int] = []  # ascending bytes, descending cost
    for index in sorted(range(len(points)), key=order):
        if front and points[index].value(weights) >= points[front[-1]].value(weights):
            continue
        while len(front) > 1 and slope(front[-2], index) >= slope(front[-2], front[-1]):
            front.pop()
        front.append(index)
    return front[::-1]


def within(options: Sequence[Options], budget: float) -> list[Point]:
    """One mapping for each segment, all of them within `budget` bytes, at low total cost.

    Args:
        options: For each segment its mappings; one of them needs no bytes.
        budget: Of one macro.
    """
    prices = np.concatenate([one.prices for one in options])
    owner = np.repeat(np.arange(len(options)), [len(one.prices) for one in options])
    saved = np.concatenate([one.saved for one in options])
    order = np.argsort(prices, kind="stable")
    full = sum(float(one.size[one.hull[0]]) for one in options)
    used = full - np.concatenate([[0.0], np.cumsum(saved[order])])  # after 0, 1, ... moves
    moves = int(np.argmax(used <= budget))
    places = np.bincount(owner[order[:moves]], minlength=len(options))
    taken = [int(one.hull[place]) for one, place in zip(options, places, strict=True)]
    return [one.points[index] for one, index in zip(options, repaired(taken, options, budget), strict=True)]


def repaired(taken: Sequence[int], options: Sequence[Options], budget: float) -> list[int]:
    """`taken`, an index for each segment, with what is left of the budget spent on the best gain per byte."""
    owner = np.repeat(np.arange(len(options)), [len(one.points) for one in options])
    start = np.searchsorted(owner, np.arange(len(options)))
    cost = np.concatenate([one.cost for one in options])
    size = np.concatenate([one.size for one in options])
    now = start + np.array(taken)
    while True:
        more, gain = size - size[now][owner], cost[now][owner] - cost
        can = (gain > 0) & (more <= budget - size[now].sum())
        if not can.any():
            return [int(index) for index in now - start]
        rate = np.where(can, gain / np.where(more > 0, more, 1.0), -np.inf)
        best = int(np.argmax(np.where(can & (more <= 0), np.inf, rate)))
        now[owner[best]] = best
