"""Fronts as lists of corners: sums, hulls, and the corners that `segment_solver.supported` keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from objectives.hardware.mapping.segment_solver import TOLERANCE


class Corner(NamedTuple):
    """A mapping on a front: cost to minimise, bytes in the macros, and the other cost."""

    cost: float
    size: float
    other: float


def minkowski_sum(first: Sequence[Corner], second: Sequence[Corner]) -> list[Corner]:
    """Sums of two fronts along their hull; fronts go from the cheapest mapping to the fewest bytes."""
    one = other = 0
    here = [Corner(*map(sum, zip(first[0], second[0], strict=True)))]
    while one < len(first) - 1 or other < len(second) - 1:
        takes_first = other == len(second) - 1 or (
            one < len(first) - 1
            and (first[one + 1].cost - first[one].cost) * (second[other].size - second[other + 1].size)
            <= (second[other + 1].cost - second[other].cost) * (first[one].size - first[one + 1].size)
        )
        one, other = (one + 1, other) if takes_first else (one, other + 1)
        here.append(Corner(*map(sum, zip(first[one], second[other], strict=True))))
    return here


def lower_hull(corners: Sequence[Corner]) -> list[Corner]:
    """Corners of the lower convex hull of cost over bytes, from the cheapest to the fewest bytes."""
    front: list[Corner] = []
    for corner in sorted(corners, key=lambda corner: (corner.size, corner.cost, corner.other)):
        if front and corner.cost >= front[-1].cost:
            continue
        while len(front) > 1 and (front[-2].cost - corner.cost) * (front[-1].size - front[-2].size) >= (
            front[-2].cost - front[-1].cost
        ) * (corner.size - front[-2].size):
            front.pop()
        front.append(corner)
    return front[::-1]


def pruned(front: Sequence[Corner], tolerance: float = TOLERANCE) -> list[Corner]:
    """The corners that `segment_solver.supported` keeps: those clearly below the chord between others."""
    if len(front) < 3:
        return list(front)

    def between(left: int, right: int) -> Iterator[int]:
        rise, fall = front[right].cost - front[left].cost, front[left].size - front[right].size
        levels = [corner.cost * fall + corner.size * rise for corner in front[left : right + 1]]
        middle = left + levels.index(min(levels))
        if middle in (left, right) or levels[middle - left] >= levels[0] * (1 - tolerance):
            return
        yield from between(left, middle)
        yield middle
        yield from between(middle, right)

    last = len(front) - 1
    return [front[index] for index in (0, *between(0, last), last)]
