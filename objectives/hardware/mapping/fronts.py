"""Fronts of many segments at once: mappings on the lower convex hull of two criteria.

`segment_solver.supported` finds the front of one segment. Here segments with equal steps are stacked, padded
with impossible ways to one shape, and every row of the stack is solved for a price of its own. The arithmetic
is the same, number by number, so the fronts are equal as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from objectives.hardware.mapping.device_choice import Criterion, Weights, lexicographic, weighted
from objectives.hardware.mapping.hand_over import BOTH, IN_SRAM, MACROS_ONLY, NPU_ONLY
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment_solver import TOLERANCE, Steps, run_from
from search_space.arrays import Floats, Integers

_MOST_NUMBERS = 1 << 16
"""Numbers of one op and criterion that are solved at once; small enough for the processor's cache."""
_MOST_PADDING = 1.5
"""Largest over smallest size of the segments in one stack."""


@dataclass(frozen=True)
class FrontTask:
    """A segment, between two states of its map in SRAM.

    Attributes:
        steps: The segment, for one number of macros.
        start: Devices that worked before.
        end: Devices that work last; None for the best of all.
    """

    steps: Steps
    start: int = NPU_ONLY
    end: int | None = None


def fronts(
    tasks: Sequence[FrontTask], first: Weights, second: Weights, tolerance: float = TOLERANCE
) -> list[Floats]:
    """Mappings on the lower convex hull between the best by `first` and the best by `second`.

    Args:
        tasks: The segments.
        first: One criterion, as weights: a single 1.
        second: The other.
        tolerance: Depth below the chord, relative to it, at which a mapping counts as on it.

    Returns:
        For each task cycles, energy and bytes of its mappings (h, 3), from the best by `first` to the best by
        `second`, both strictly monotone; (0, 3) where no mapping leads from start to end.
    """
    result: list[Floats] = [np.zeros((0, 3))] * len(tasks)
    for indices in _stackable(tasks):
        stack = _Stack([tasks[index] for index in indices])
        for index, front in zip(indices, stack.fronts(first, second, tolerance), strict=True):
            result[index] = front
    return result


def _stackable(tasks: Sequence[FrontTask]) -> Iterator[list[int]]:
    """Indices of tasks that one stack can hold with little padding."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, task in enumerate(tasks):
        groups.setdefault(_pattern(task), []).append(index)
    for group in groups.values():
        yield from _of_similar_size(group, [task.steps for task in tasks])


def _of_similar_size(indices: Sequence[int], steps: Sequence[Steps]) -> Iterator[list[int]]:
    """Parts of `indices` whose segments need little padding."""
    sizes = {index: sum(array.size for array in steps[index].cycles) for index in indices}
    part: list[int] = []
    for index in sorted(indices, key=lambda index: sizes[index]):
        if part and sizes[index] > _MOST_PADDING * sizes[part[0]]:
            yield part
            part = []
        part.append(index)
    yield part


def _pattern(task: FrontTask) -> tuple[Any, ...]:
    """Equal for tasks that one stack can hold."""
    steps = task.steps
    return (
        task.end is None,
        steps.inputs,
        steps.stays,
        tuple(array.shape[-1] for array in steps.cycles),
        tuple(map(_last_pattern, steps.last)),
        tuple(map(_matching_pattern, steps.matching)),
    )


def _last_pattern(last: Integers) -> Any:
    if len(last) > 1 and (last == NPU_ONLY).all():
        return "npu"
    is_usual = last[0] == MACROS_ONLY and last[-1] == NPU_ONLY and (last[1:-1] == BOTH).all()
    return "split" if len(last) > 1 and is_usual else last.tobytes()


def _matching_pattern(matching: Integers | None) -> Any:
    if matching is None:
        return None
    usual = np.append(np.arange(len(matching) - 1), -1)
    return "same" if np.array_equal(matching, usual) else matching.tobytes()


class _Stack:
    """Tasks of one pattern, padded to one shape, each a row along the number of macros.

    Args:
        tasks: The tasks.
    """

    def __init__(self, tasks: Sequence[FrontTask]) -> None:
        each = [task.steps for task in tasks]
        first = each[0]
        splits = [max(len(one.last[op]) for one in each) for op in range(len(first.last))]
        shapes, last, matching = [], [], []
        for op, width in enumerate(splits):
            follows = op > 0 and first.stays[op - 1]
            places = IN_SRAM + (splits[op - 1] - 1 if follows else 0)
            own = first.matching[op]
            if own is not None:
                places = 1 + IN_SRAM
                if _matching_pattern(own) == "same":
                    own = np.append(np.minimum(np.arange(width - 1), splits[op - 1] - 2), -1)
            shapes.append((places, width))
            matching.append(own)
            last.append(_padded_last(first.last[op], width))
        self._steps = Steps(
            cycles=_padded([one.cycles for one in each], shapes),
            energy_pj=_padded([one.energy_pj for one in each], shapes),
            weight_bytes=_padded([one.weight_bytes for one in each], shapes),
            stays=first.stays,
            last=tuple(last),
            matching=tuple(matching),
            inputs=first.inputs,
        )
        self._starts = np.array([task.start for task in tasks])
        self._ends = None if tasks[0].end is None else np.array([task.end for task in tasks])

    @cached_property
    def _most_rows(self) -> int:
        largest = max(array[0].size for array in self._steps.cycles)
        return max(1, _MOST_NUMBERS // int(largest))

    def fronts(self, first: Weights, second: Weights, tolerance: float) -> list[Floats]:
        """The fronts of all tasks; arguments as for `fronts`."""
        tasks = np.arange(len(self._starts))
        starts, ends = self._solve(tasks, first, second), self._solve(tasks, second, first)
        one, other = first.index(1.0), second.index(1.0)
        points = [(tasks, starts)]
        exist = starts[:, 0] < FORBIDDEN
        has_end = exist & (ends[:, other] < starts[:, other])
        points.append((tasks[has_end], ends[has_end]))
        tasks, left, right = tasks[has_end], starts[has_end], ends[has_end]
        while True:
            rise, fall = right[:, one] - left[:, one], left[:, other] - right[:, other]
            is_open = np.flatnonzero((rise > 0) & (fall > 0))
            if not len(is_open):
                break
            tasks, left, right = tasks[is_open], left[is_open], right[is_open]
            rise, fall = rise[is_open], fall[is_open]
            weights = [fall * first[number] + rise * second[number] for number in range(3)]
            middle = self._solve(tasks, (weights[0], weights[1], weights[2]), first)
            level = left[:, one] * fall + left[:, other] * rise
            middle_level = middle[:, one] * fall + middle[:, other] * rise
            below = np.flatnonzero(middle_level < level * (1 - tolerance))
            tasks, middle = tasks[below], middle[below]
            points.append((tasks, middle))
            left = np.concatenate([left[below], middle])
            right = np.concatenate([middle, right[below]])
            tasks = np.concatenate([tasks, tasks])
        owner = np.concatenate([part for part, _ in points])
        values = np.concatenate([part for _, part in points])
        order = np.lexsort((values[:, one], owner))
        counts = np.bincount(owner, minlength=len(exist))
        each = np.split(values[order], np.cumsum(counts)[:-1])
        return [front if is_there else front[:0] for front, is_there in zip(each, exist, strict=True)]

    def _solve(self, tasks: Integers, weights: Criterion, tie_breaker: Weights) -> Floats:
        """Cycles, energy and bytes (n, 3) of the best mappings of `tasks` (n,); weights are one or (n,)."""
        parts = [np.zeros((0, 3))]
        for start in range(0, len(tasks), self._most_rows):
            rows = slice(start, start + self._most_rows)
            part = tuple(
                weight if isinstance(weight, float) else weight[rows, None, None, None] for weight in weights
            )
            parts.append(self._solve_rows(tasks[rows], (part[0], part[1], part[2]), tie_breaker))
        return np.concatenate(parts)

    def _solve_rows(self, tasks: Integers, weights: Criterion, tie_breaker: Weights) -> Floats:
        steps = self._steps.of_rows(tasks)
        begin = np.full((len(tasks), 1, steps.inputs), FORBIDDEN)
        begin[np.arange(len(tasks)), 0, steps.inputs - IN_SRAM + self._starts[tasks]] = 0.0
        sums, _ = run_from(begin, steps, weights, tie_breaker)
        rows = [total[:, 0, -IN_SRAM:] for total in sums]
        if self._ends is None:
            flat = tuple(weight if isinstance(weight, float) else weight[..., 0, 0] for weight in weights)
            key = sum((row * weight for row, weight in zip(rows, flat, strict=True)), np.zeros_like(rows[0]))
            ends = lexicographic([key, weighted(rows, tie_breaker), *rows])
        else:
            ends = self._ends[tasks]
        return np.stack([row[np.arange(len(tasks)), ends] for row in rows], axis=1)


def _padded_last(last: Integers, width: int) -> Integers:
    filler = NPU_ONLY if (last == NPU_ONLY).all() else BOTH
    return np.concatenate([last[:-1], np.full(width - len(last), filler), last[-1:]])


def _padded(each: Sequence[tuple[Floats, ...]], shapes: Sequence[tuple[int, int]]) -> tuple[Floats, ...]:
    """Costs of each op, segment after segment: (n, p, k, 1 or 2).

    Ways are added before the last split and before the placements in SRAM.
    """
    result = []
    for op, (places, width) in enumerate(shapes):
        arrays = [one[op] for one in each]
        padded = np.full((len(arrays), places, width, arrays[0].shape[-1]), FORBIDDEN)
        for row, array in zip(padded, arrays, strict=True):
            own = array[0]
            stays, splits = own.shape[0] - IN_SRAM, own.shape[1] - 1
            for target, source in ((slice(stays), slice(stays)), (slice(-IN_SRAM, None),) * 2):
                row[target, :splits] = own[source, :splits]
                row[target, -1] = own[source, -1]
        result.append(padded)
    return tuple(result)
