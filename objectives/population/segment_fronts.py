"""Fronts of segments, merged from the fronts of their parts: what a mapping costs for which bytes in the macros.

A segment falls into parts where its map has to be in SRAM, such as between a down-sampling step and the first
block behind it. The same parts occur in many segments. The front of a segment is the convex hull of the sums
of its parts' fronts, over the devices that worked last on the map between them.

The merged front equals the one that dynamic programming finds for the whole segment, because both compute
with multiples of a common unit that a float holds exactly. Where the numbers are too large for that, the
segment is solved as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from objectives.hardware.mapping.capacity import Options
from objectives.hardware.mapping.fronts import FrontTask, fronts
from objectives.hardware.mapping.hand_over import NPU_ONLY
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_steps import OpSteps
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment import TOLERANCE, OpContext, Point, Steps, all_points
from objectives.hardware.mapping.split_choice import CAPACITY, ENERGY, LATENCY
from search_space.arrays import Floats

_COST_UNIT = 1.0 / 1024.0
_LARGEST_EXACT = 2.0**52
"""Largest number of units in a sum of costs times bytes; half of what a float holds exactly."""

_Contexts = tuple[OpContext, ...]


class Corner(NamedTuple):
    """A mapping on a front: cost to minimise, bytes in the macros, and the other cost."""

    cost: float
    size: float
    other: float


class _PartKey(NamedTuple):
    """A part of a segment between two states of its map in SRAM, for one number of macros."""

    contexts: _Contexts
    start: int
    end: int | None
    choice: int


class SegmentFronts:
    """Mappings of segments under one mapper, each segment and part solved once.

    Args:
        mapper: SoC and mapping.
    """

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._ops = OpSteps(mapper)
        self._criterion = CRITERIA[mapper.name][0]
        self._steps_by_part: dict[_Contexts, Steps] = {}
        self._front_by_part: dict[_PartKey, list[Corner]] = {}

    def hulls(self, segments: Sequence[_Contexts], choice: int) -> list[Floats]:
        """Mappings of each segment between the fastest and the most frugal: cycles, energy, bytes (h, 3)."""
        self._learn(segments)
        tasks = [FrontTask(self._steps(segment).of_macros(choice)) for segment in segments]
        return fronts(tasks, LATENCY, ENERGY)

    def options(self, segments: Sequence[_Contexts], choice: int) -> list[Options]:
        """Mappings of each segment that trade the cost to minimise for bytes, as `Mapper` finds them."""
        self._learn(segments)
        points: list[list[Point] | None] = [
            all_points(self._steps(segment).of_macros(choice)) for segment in segments
        ]
        several = [index for index, own in enumerate(points) if own is None]
        paths = {
            index: list(self._keys(segments[index], choice))
            for index in several
            if len(_parts(segments[index])) > 1
        }
        self._find({key for path in paths.values() for layer in path for key in layer})
        whole = [index for index in several if index not in paths or not self._is_exact(paths[index])]
        tasks = [FrontTask(self._steps(segments[index]).of_macros(choice)) for index in whole]
        for index, front in zip(whole, fronts(tasks, self._criterion, CAPACITY), strict=True):
            points[index] = [Point(*row, ()) for row in front.tolist()]
        for index in paths.keys() - set(whole):
            points[index] = [self._point(corner) for corner in self._joined(paths[index])]
        return [Options.of(own, self._criterion) for own in points if own is not None]

    def _learn(self, segments: Sequence[_Contexts]) -> None:
        self._mapper.learn(context.op for segment in segments for context in segment)

    def _steps(self, contexts: _Contexts) -> Steps:
        return self._ops.joined(contexts)

    def _part_steps(self, contexts: _Contexts) -> Steps:
        if contexts not in self._steps_by_part:
            self._steps_by_part[contexts] = self._steps(contexts)
        return self._steps_by_part[contexts]

    def _task(self, key: _PartKey) -> FrontTask:
        return FrontTask(self._part_steps(key.contexts).of_macros(key.choice), key.start, key.end)

    def _keys(self, segment: _Contexts, choice: int) -> Iterator[list[_PartKey]]:
        """Keys of each part of a segment, for every pair of states that the map may have around it."""
        parts = _parts(segment)
        starts = [NPU_ONLY]
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            ends = [None] if is_last else sorted(set(self._part_steps(part).last[-1].tolist()))
            yield [_PartKey(part, start, end, choice) for start in starts for end in ends]
            starts = [end for end in ends if end is not None]

    def _find(self, keys: set[_PartKey]) -> None:
        """Fronts of parts, with every corner of their hulls."""
        missing = list(keys - self._front_by_part.keys())
        found = fronts([self._task(key) for key in missing], self._criterion, CAPACITY, tolerance=0.0)
        for key, front in zip(missing, found, strict=True):
            self._front_by_part[key] = [self._corner(*row) for row in front.tolist()]

    def _corner(self, cycles: float, energy_pj: float, size: float) -> Corner:
        pair = (cycles, energy_pj) if self._criterion == LATENCY else (energy_pj, cycles)
        return Corner(pair[0], size, pair[1])

    def _point(self, corner: Corner) -> Point:
        pair = (corner.cost, corner.other)
        cycles, energy_pj = pair if self._criterion == LATENCY else pair[::-1]
        return Point(cycles, energy_pj, corner.size, ())

    def _is_exact(self, path: Sequence[Sequence[_PartKey]]) -> bool:
        """Whether floats hold all products of costs and bytes of a segment exactly."""
        most_cost = most_size = 0.0
        unit = 2**30
        for layer in path:
            corners = [corner for key in layer for corner in self._front_by_part[key]]
            most_cost += max((corner.cost for corner in corners), default=0.0)
            most_size += max((corner.size for corner in corners), default=0.0)
            unit = min(unit, _common_power(self._part_steps(layer[0].contexts)))
        return 2.0 * (most_cost / _COST_UNIT) * (most_size / unit) <= _LARGEST_EXACT

    def _joined(self, path: Sequence[Sequence[_PartKey]]) -> list[Corner]:
        """The front of a segment from those of its parts."""
        ways: dict[int | None, list[Corner]] = {NPU_ONLY: [Corner(0.0, 0.0, 0.0)]}
        for layer in path:
            candidates: dict[int | None, list[Corner]] = {}
            for key in layer:
                own, before = self._front_by_part[key], ways[key.start]
                if own and before:
                    candidates.setdefault(key.end, []).extend(minkowski_sum(before, own))
            ways = {end: lower_hull(corners) for end, corners in candidates.items()}
            ways.update({key.end: [] for key in layer if key.end not in ways})
        (front,) = ways.values()
        return pruned(front)


def _parts(segment: _Contexts) -> list[_Contexts]:
    """A segment cut behind every op whose output has to be in SRAM."""
    cuts = [index + 1 for index, context in enumerate(segment[:-1]) if not context.may_stay]
    return [segment[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(segment)], strict=True)]


def _common_power(steps: Steps) -> int:
    """Largest power of two that divides the bytes of every way."""
    bits = 0
    for sizes in steps.weight_bytes:
        possible = sizes[sizes < FORBIDDEN]
        whole = possible.astype(np.int64)
        if (whole != possible).any():
            return 0
        bits |= int(np.bitwise_or.reduce(whole, axis=None))
    return bits & -bits if bits else 2**30


def minkowski_sum(first: Sequence[Corner], second: Sequence[Corner]) -> list[Corner]:
    """Sums of two fronts, each from its cheapest mapping to the one with the fewest bytes, along their hull."""
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
    """The corners of a hull that `segment.supported` keeps: those clearly below the chord between others."""
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
