"""The capacity of the macros as a budget over a whole network: a Lagrange multiplier, then repair.

Each segment offers mappings that trade cost for weight bytes in a macro. A multiplier puts a price on a
byte; each segment takes what is cheapest at that price, and moves on only at prices known from its hull. So
the least price at which everything fits is found by walking these prices in order, which is what a bisection
converges to. What is then left of the budget is spent on the best gain per byte that fits, until nothing
does.
"""

from __future__ import annotations

from collections.abc import Sequence

from objectives.hardware.segment import Point, Weights


def hull(points: Sequence[Point], weights: Weights) -> list[Point]:
    """Lower convex hull of cost over bytes, from the cheapest to the one with the fewest bytes."""
    ordered = sorted(points, key=lambda point: (point.macro_bytes, point.value(weights), point.key))
    front: list[Point] = []  # ascending bytes, descending cost
    for point in ordered:
        if front and point.value(weights) >= front[-1].value(weights):
            continue
        while len(front) > 1 and _slope(front[-2], point, weights) >= _slope(front[-2], front[-1], weights):
            front.pop()
        front.append(point)
    return front[::-1]


def _slope(small: Point, large: Point, weights: Weights) -> float:
    """Cost saved per byte."""
    return (small.value(weights) - large.value(weights)) / (large.macro_bytes - small.macro_bytes)


def within(options: Sequence[Sequence[Point]], budget: float, weights: Weights) -> list[Point]:
    """One mapping for each segment, all of them within `budget` bytes, at low total cost.

    Args:
        options: For each segment its mappings; one of them needs no bytes.
        budget: Of one macro.
        weights: Of the cost.
    """
    hulls = [hull(points, weights) for points in options]
    chosen = [0] * len(hulls)
    used = sum(points[0].macro_bytes for points in hulls)
    steps = [
        (_slope(points[place + 1], points[place], weights), index, place + 1)
        for index, points in enumerate(hulls)
        for place in range(len(points) - 1)
    ]
    for _, index, place in sorted(steps):
        if used <= budget:
            break
        used += hulls[index][place].macro_bytes - hulls[index][place - 1].macro_bytes
        chosen[index] = place
    taken = [points[place] for points, place in zip(hulls, chosen, strict=True)]
    return repaired(taken, options, budget, weights)


def repaired(
    taken: Sequence[Point], options: Sequence[Sequence[Point]], budget: float, weights: Weights
) -> list[Point]:
    """`taken` with what is left of the budget spent on the best gain per byte, one segment at a time."""
    result = list(taken)
    left = budget - sum(point.macro_bytes for point in result)
    while True:
        best: tuple[float, int, Point] | None = None
        for index, points in enumerate(options):
            now = result[index]
            for point in points:
                more = point.macro_bytes - now.macro_bytes
                gain = now.value(weights) - point.value(weights)
                if gain <= 0 or more > left:
                    continue
                rate = gain / more if more > 0 else float("inf")
                if best is None or rate > best[0]:
                    best = (rate, index, point)
        if best is None:
            return result
        left -= best[2].macro_bytes - result[best[1]].macro_bytes
        result[best[1]] = best[2]
