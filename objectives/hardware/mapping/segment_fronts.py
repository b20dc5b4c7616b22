"""Fronts of segments, merged from the fronts of their parts: least cost against bytes in the macros.

A segment falls into parts where its map has to be in SRAM, such as between a down-sampling step and the first
block behind it. The same parts occur in many segments. The front of a segment is the convex hull of the sums
of its parts' fronts, over the devices that worked last on the map between them.

The merged front equals the one that dynamic programming finds for the whole segment, because both compute
with multiples of a common unit that a float holds exactly. Where the numbers are too large for that, the
segment is solved as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from objectives.hardware.mapping.capacity import Options
from objectives.hardware.mapping.corners import Corner, lower_hull, minkowski_sum, pruned
from objectives.hardware.mapping.device_choice import CAPACITY, ENERGY, LATENCY
from objectives.hardware.mapping.fronts import FrontTask, fronts
from objectives.hardware.mapping.hand_over import NPU_ONLY, last_devices
from objectives.hardware.mapping.known_fronts import Contexts, PartKey
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_steps import OpSteps
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment_solver import Point, Steps, all_points
from search_space.arrays import Floats

_COST_UNIT = 1.0 / 1024.0
_LARGEST_EXACT = 2.0**52
"""Largest number of units in a sum of costs times bytes; half of what a float holds exactly."""


class SegmentFronts:
    """Mappings of segments under one mapper; each part is solved once.

    Args:
        mapper: SoC and mapping.
    """

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._criterion = CRITERIA[mapper.name][0]
        self._known = mapper.known.fronts

    def hulls(self, segments: Sequence[Contexts], choice: int) -> list[Floats]:
        """Mappings of each segment between the fastest and the most frugal: cycles, energy, bytes (h, 3)."""
        known = self._known.hulls
        new = [segment for segment in dict.fromkeys(segments) if (segment, choice) not in known]
        steps = self._steps(new)
        tasks = [FrontTask(steps.joined(segment).of_macros(choice)) for segment in new]
        for segment, front in zip(new, fronts(tasks, LATENCY, ENERGY), strict=True):
            known[segment, choice] = front
        return [known[segment, choice] for segment in segments]

    def options(self, segments: Sequence[Contexts], choice: int) -> list[Options]:
        """Mappings of each segment that trade the cost to minimise for bytes, as `Mapper` finds them."""
        known = self._known.options
        new = [segment for segment in dict.fromkeys(segments) if (segment, choice) not in known]
        for segment, options in zip(new, self._new_options(new, choice), strict=True):
            known[segment, choice] = options
        return [known[segment, choice] for segment in segments]

    def _new_options(self, segments: Sequence[Contexts], choice: int) -> list[Options]:
        # They would take much memory if they were kept.
        steps = self._steps(segments)
        several = [index for index, segment in enumerate(segments) if self._has_choices_later(segment)]
        paths = {
            index: list(self._keys(segments[index], choice))
            for index in several
            if len(_parts(segments[index])) > 1
        }
        self._find({key for path in paths.values() for layer in path for key in layer}, steps)
        whole = [index for index in several if index not in paths or not self._is_exact(paths[index])]
        tasks = [FrontTask(steps.joined(segments[index]).of_macros(choice)) for index in whole]
        points = {
            index: [Point(cycles, energy_pj, size, ()) for cycles, energy_pj, size in front.tolist()]
            for index, front in zip(whole, fronts(tasks, self._criterion, CAPACITY), strict=True)
        }
        for index, path in paths.items():
            if index not in points:
                points[index] = [self._point(corner) for corner in self._joined(path)]
        for index, segment in enumerate(segments):
            if index not in points:
                own = all_points(steps.joined(segment).of_macros(choice))
                assert own is not None
                points[index] = own
        return [Options.of(points[index], self._criterion) for index in range(len(segments))]

    def _steps(self, segments: Sequence[Contexts]) -> OpSteps:
        """Steps of the ops of segments, computed where they are used."""
        self._mapper.learn(context.op for segment in segments for context in segment)
        return OpSteps(self._mapper.splits, self._mapper.soc)

    def _has_choices_later(self, segment: Contexts) -> bool:
        """Whether an op behind the first has several splits, see `all_points`."""
        return any(len(self._mapper.splits(context.op).channels) > 1 for context in segment[1:])

    def _keys(self, segment: Contexts, choice: int) -> Iterator[list[PartKey]]:
        """Keys of each part of a segment, for every pair of states that the map may have around it."""
        parts = _parts(segment)
        starts = [NPU_ONLY]
        for index, part in enumerate(parts):
            ends: list[int | None] = [None]
            if index < len(parts) - 1:
                ends = [*sorted(set(last_devices(self._mapper.splits(part[-1].op)).tolist()))]
            yield [PartKey(part, start, end, choice) for start in starts for end in ends]
            starts = [end for end in ends if end is not None]

    def _find(self, keys: set[PartKey], steps: OpSteps) -> None:
        """Fronts of parts, with every corner of their hulls."""
        missing = list(keys - self._known.parts.keys())
        tasks = [
            FrontTask(steps.joined(key.contexts).of_macros(key.choice), key.start, key.end) for key in missing
        ]
        found = fronts(tasks, self._criterion, CAPACITY, tolerance=0.0)
        for key, front in zip(missing, found, strict=True):
            self._known.parts[key] = [self._corner(*row) for row in front.tolist()]
            if key.contexts not in self._known.units:
                self._known.units[key.contexts] = _common_power(steps.joined(key.contexts))

    def _corner(self, cycles: float, energy_pj: float, size: float) -> Corner:
        pair = (cycles, energy_pj) if self._criterion == LATENCY else (energy_pj, cycles)
        return Corner(pair[0], size, pair[1])

    def _point(self, corner: Corner) -> Point:
        pair = (corner.cost, corner.other)
        cycles, energy_pj = pair if self._criterion == LATENCY else pair[::-1]
        return Point(cycles, energy_pj, corner.size, ())

    def _is_exact(self, path: Sequence[Sequence[PartKey]]) -> bool:
        """Whether floats hold all products of costs and bytes of a segment exactly."""
        most_cost = most_size = 0.0
        unit = 2**30
        for layer in path:
            corners = [corner for key in layer for corner in self._known.parts[key]]
            most_cost += max((corner.cost for corner in corners), default=0.0)
            most_size += max((corner.size for corner in corners), default=0.0)
            unit = min(unit, self._known.units[layer[0].contexts])
        return 2.0 * (most_cost / _COST_UNIT) * (most_size / unit) <= _LARGEST_EXACT

    def _joined(self, path: Sequence[Sequence[PartKey]]) -> list[Corner]:
        """The front of a segment from those of its parts."""
        ways: dict[int | None, list[Corner]] = {NPU_ONLY: [Corner(0.0, 0.0, 0.0)]}
        for layer in path:
            candidates: dict[int | None, list[Corner]] = {}
            for key in layer:
                own, before = self._known.parts[key], ways[key.start]
                if own and before:
                    candidates.setdefault(key.end, []).extend(minkowski_sum(before, own))
            ways = {end: lower_hull(corners) for end, corners in candidates.items()}
            ways.update({key.end: [] for key in layer if key.end not in ways})
        (front,) = ways.values()
        return pruned(front)


def _parts(segment: Contexts) -> list[Contexts]:
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
