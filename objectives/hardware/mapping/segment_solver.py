"""The best mapping of a segment: a run of ops that begins and ends with its map in SRAM and the NPU at work.

Exact dynamic programming over the placement of the map between two ops (min-plus Viterbi). The state is the
placement of the map, and for a map in SRAM the devices that worked last; the costs of a step come from
`placement.py`. The programme minimises a weighted sum of cycles, energy and weight bytes in the macros. The
next criterion breaks ties, so that the result does not depend on the order of computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from objectives.hardware.mapping.device_choice import (
    LATENCY,
    Choices,
    Criterion,
    StepChoice,
    Way,
    Weights,
    lexicographic,
    weighted,
)
from objectives.hardware.mapping.hand_over import IN_SRAM, NPU_ONLY, last_devices
from objectives.hardware.mapping.placement import (
    BACK,
    FORBIDDEN,
    OpCosts,
    hands_over,
    is_projection,
    op_costs,
)
from objectives.hardware.mapping.split_costs import SplitCosts, channels_of, leaves_npu
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats, Integers

TOLERANCE = 1e-12
"""Depth below a chord of the hull, relative to it, at which a mapping counts as on the chord."""


@dataclass(frozen=True)
class Point:
    """One mapping of a segment with its costs.

    Attributes:
        cycles: Time in NPU cycles.
        energy_pj: Energy in pJ.
        weight_bytes: Weight bytes in all macros together.
        ways: Way of each op.
    """

    cycles: float
    energy_pj: float
    weight_bytes: float
    ways: tuple[Way, ...]

    def value(self, weights: Weights) -> float:
        """The weighted sum."""
        return self.cycles * weights[0] + self.energy_pj * weights[1] + self.weight_bytes * weights[2]

    @property
    def key(self) -> tuple[float, float, float]:
        """Cycles, energy and bytes, to break ties by."""
        return self.cycles, self.energy_pj, self.weight_bytes


Cut = tuple[int, int, tuple[bool, ...]]
"""Start and end of a segment, and for each of its ops whether the output may stay at the macros."""


def split_points(ops: Sequence[Op], read_again: frozenset[int], soc: SoC) -> Iterator[Cut]:
    """Segments of a network, cut behind ops that only the NPU runs.

    Args:
        ops: The network.
        read_again: Indices of ops whose output is read again later, not only by the next op.
        soc: The chip.
    """
    start = 0
    stays: list[bool] = []
    for index, op in enumerate(ops):
        is_last = index == len(ops) - 1 or not leaves_npu(op, soc)
        stays.append(not is_last and index not in read_again and hands_over(op, ops[index + 1], soc))
        if is_last:
            yield start, index + 1, tuple(stays)
            start, stays = index + 1, []


def segment_costs(
    splits: Sequence[SplitCosts], soc: SoC, stays: Sequence[bool], *, before: SplitCosts | None = None
) -> list[OpCosts]:
    """Costs of all ways of each op of a segment, in order.

    Args:
        splits: Splits of each op.
        soc: The chip.
        stays: Whether the output of each op may stay at the macros for the next.
        before: Splits of the op that made the input, if that may lie elsewhere than in SRAM.
    """
    contexts = op_contexts([one.op for one in splits], stays, before=None if before is None else before.op)
    return [
        op_costs(
            None if context.previous is None else before if index == 0 else splits[index - 1],
            splits[index],
            soc,
            value_bytes=context.value_bytes,
            may_stay=context.may_stay,
        )
        for index, context in enumerate(contexts)
    ]


class OpContext(NamedTuple):
    """An op of a segment with all that decides the costs of its ways.

    Attributes:
        previous: The op before, if its output may stay at the macros; else None.
        op: The op.
        value_bytes: Bytes of V where the op makes scores or their softmax; else 0.
        may_stay: Whether the output may stay at the macros for the next op.
    """

    previous: Op | None
    op: Op
    value_bytes: float
    may_stay: bool


def op_contexts(ops: Sequence[Op], stays: Sequence[bool], *, before: Op | None = None) -> list[OpContext]:
    """The ops of a segment in their contexts; arguments as for `segment_costs`."""
    return [
        OpContext(
            before if index == 0 else ops[index - 1] if stays[index - 1] else None,
            op,
            _value_bytes(ops, index),
            stays[index],
        )
        for index, op in enumerate(ops)
    ]


def _value_bytes(ops: Sequence[Op], index: int) -> float:
    """Bytes of V, the other input of `attend`, where op `index` makes scores or their softmax; else 0."""
    if ops[index].kind == "softmax":
        return _values_of(ops, index + 1)
    if ops[index].kind != "matmul":
        return 0.0
    if index > 0 and is_projection(ops[index - 1]):
        return ops[index - 1].output_bytes / 3.0
    is_scores = index + 1 < len(ops) and ops[index + 1].kind == "softmax"
    return _values_of(ops, index + 2) if is_scores else 0.0


def _values_of(ops: Sequence[Op], index: int) -> float:
    if index >= len(ops) or ops[index].kind != "matmul":
        return 0.0
    attend = ops[index]
    return float(attend.heads * attend.in_channels * attend.out_channels)


@dataclass(frozen=True)
class Steps:
    """Costs of a segment for dynamic programming: arrays (m, p, k, 1 or 2) of each op, as in `OpCosts`.

    Impossible ways cost `FORBIDDEN`.

    Attributes:
        cycles: Time.
        energy_pj: Energy.
        weight_bytes: Weight bytes in all macros together.
        stays: For each op whether its output may stay at the macros.
        last: For each op the devices that work last, by split (k,).
        matching: For each op as in `OpCosts`.
        inputs: Number of placements of the input of the segment.
    """

    cycles: tuple[Floats, ...]
    energy_pj: tuple[Floats, ...]
    weight_bytes: tuple[Floats, ...]
    stays: tuple[bool, ...]
    last: tuple[Integers, ...]
    matching: tuple[Integers | None, ...]
    inputs: int

    @classmethod
    def of(cls, costs: Sequence[OpCosts], splits: Sequence[SplitCosts], stays: Sequence[bool]) -> Steps:
        """The criteria of `costs`, with impossible ways at `FORBIDDEN`."""
        return cls(
            tuple(_limited(cost.cycles, cost.possible) for cost in costs),
            tuple(_limited(cost.energy_pj, cost.possible) for cost in costs),
            tuple(_limited(cost.weight_bytes, cost.possible) for cost in costs),
            tuple(stays),
            tuple(last_devices(op_splits) for op_splits in splits),
            tuple(cost.matching for cost in costs),
            costs[0].inputs,
        )

    @classmethod
    def joined(cls, parts: Sequence[Steps]) -> Steps:
        """One segment of the ops of several, in order."""
        return cls(
            cycles=tuple(chain.from_iterable(one.cycles for one in parts)),
            energy_pj=tuple(chain.from_iterable(one.energy_pj for one in parts)),
            weight_bytes=tuple(chain.from_iterable(one.weight_bytes for one in parts)),
            stays=tuple(chain.from_iterable(one.stays for one in parts)),
            last=tuple(chain.from_iterable(one.last for one in parts)),
            matching=tuple(chain.from_iterable(one.matching for one in parts)),
            inputs=parts[0].inputs,
        )

    @classmethod
    def stacked(cls, segments: Sequence[Steps]) -> Steps:
        """Several segments with equal `shape`, one after the other along the number of macros."""
        first = segments[0]
        if len(segments) == 1:
            return first

        def together(each: Sequence[tuple[Floats, ...]]) -> tuple[Floats, ...]:
            return tuple(np.concatenate(arrays) for arrays in zip(*each, strict=True))

        return replace(
            first,
            cycles=together([one.cycles for one in segments]),
            energy_pj=together([one.energy_pj for one in segments]),
            weight_bytes=together([one.weight_bytes for one in segments]),
        )

    @property
    def shape(self) -> tuple[Any, ...]:
        """Everything but the costs; equal for segments that one run can solve together."""
        return (
            self.inputs,
            self.stays,
            tuple(array.shape for array in self.cycles),
            tuple(array.tobytes() for array in self.last),
            tuple(None if array is None else array.tobytes() for array in self.matching),
        )

    def of_macros(self, index: int) -> Steps:
        """For one number of macros; m = 1."""
        return self._changed(lambda part: tuple(array[index : index + 1] for array in part))

    def of_rows(self, rows: Integers) -> Steps:
        """For rows along the number of macros."""
        return self._changed(lambda part: tuple(array[rows] for array in part))

    def _changed(self, change: Callable[[tuple[Floats, ...]], tuple[Floats, ...]]) -> Steps:
        """With every criterion changed in the same way."""
        return replace(
            self,
            cycles=change(self.cycles),
            energy_pj=change(self.energy_pj),
            weight_bytes=change(self.weight_bytes),
        )


def _limited(values: Floats, possible: Booleans) -> Floats:
    return np.where(possible, values, FORBIDDEN)


def solve(steps: Steps, weights: Weights, tie_breaker: Weights = LATENCY) -> list[Point]:
    """The best mapping for each number of macros.

    Args:
        steps: The segment.
        weights: Weights of the sum to minimise.
        tie_breaker: Weights of the sum that decides between equals; after it cycles, energy, bytes.
    """
    sums, choices = run(steps, weights, tie_breaker)
    rows = [total[:, 0, -IN_SRAM:] for total in sums]
    ends = lexicographic([weighted(rows, weights), weighted(rows, tie_breaker), *rows])
    points = []
    for macros, end in enumerate(ends.tolist()):
        placement, ways = sums[0].shape[2] - IN_SRAM + end, []
        cycles, energy, size = (float(total[macros, 0, placement]) for total in sums)
        for choice in reversed(choices):
            way = choice.way(macros, placement)
            ways.append(way)
            placement = way.placement
        points.append(Point(cycles, energy, size, tuple(reversed(ways))))
    return points


def run(
    steps: Steps, weights: Weights, tie_breaker: Weights = LATENCY, *, from_anywhere: bool = False
) -> tuple[list[Floats], list[Choices]]:
    """Dynamic programming from the placements of the input: that of the NPU's maps in SRAM, or all.

    Returns:
        Cycles, energy and bytes of the best way to every placement of the output, each (m, starts, outputs),
        the last three outputs being SRAM; and for every op the choices that lead there.
    """
    count, placements = len(steps.cycles[0]), steps.inputs
    begin = np.where(np.eye(placements, dtype=bool), 0.0, FORBIDDEN)  # (starts, p)
    begin = begin if from_anywhere else begin[-1:]
    return run_from(np.broadcast_to(begin, (count, *begin.shape)), steps, weights, tie_breaker)


def run_from(
    begin: Floats, steps: Steps, weights: Criterion, tie_breaker: Weights
) -> tuple[list[Floats], list[Choices]]:
    """`run` from costs of the placements of the input, (m, starts, p); weights may differ along m."""
    sums = [begin] * 3
    choices: list[Choices] = []
    for *costs, stays, last, matching in zip(
        steps.cycles,
        steps.energy_pj,
        steps.weight_bytes,
        steps.stays,
        steps.last,
        steps.matching,
        strict=True,
    ):
        step = StepChoice.of(sums, costs, matching, weights, tie_breaker)
        sums, best = step.best(last, stays=stays)
        choices.append(best)
    return sums, choices


def supported(steps: Steps, first: Weights, second: Weights) -> list[Point]:
    """Mappings on the lower convex hull between the best by `first` and the best by `second`.

    Args:
        steps: The segment, for one number of macros.
        first: One criterion, as weights.
        second: The other.

    Returns:
        From the best by `first` to the best by `second`, both strictly monotone.
    """
    (start,), (end,) = solve(steps, first, second), solve(steps, second, first)

    def between(left: Point, right: Point) -> Iterator[Point]:
        rise = right.value(first) - left.value(first)
        fall = left.value(second) - right.value(second)
        if rise <= 0 or fall <= 0:
            return
        weights = tuple(fall * a + rise * b for a, b in zip(first, second, strict=True))
        (middle,) = solve(steps, (weights[0], weights[1], weights[2]), first)
        level = left.value(first) * fall + left.value(second) * rise
        middle_level = middle.value(first) * fall + middle.value(second) * rise
        if middle_level >= level * (1 - TOLERANCE):
            return
        yield from between(left, middle)
        yield middle
        yield from between(middle, right)

    if end.value(second) >= start.value(second):
        return [start]
    return [start, *between(start, end), end]


def all_points(steps: Steps) -> list[Point] | None:
    """The mapping of each split where only the first op of a segment has several; None for other segments.

    Args:
        steps: The segment, for one number of macros.
    """
    if any(len(last) > 1 for last in steps.last[1:]):
        return None
    first, *others = steps.last
    sums = []
    for part in (steps.cycles, steps.energy_pj, steps.weight_bytes):
        total = part[0][0, -1, :, BACK].copy()
        placement = first - IN_SRAM
        for costs in part[1:]:
            total += costs[0, placement, 0, BACK]
            placement = np.full_like(placement, -1)
        sums.append(total)
    points = []
    for split in np.flatnonzero(sums[0] < FORBIDDEN).tolist():
        ways = [Way(steps.inputs - 1, split, BACK)]
        placement_of_next = int(first[split])
        for _ in others:
            ways.append(Way(placement_of_next, 0, BACK))
            placement_of_next = NPU_ONLY
        cycles, energy, size = (float(total[split]) for total in sums)
        points.append(Point(cycles, energy, size, tuple(ways)))
    return points


def npu_heads(splits: SplitCosts, split: int) -> int | None:
    """Heads on the NPU where the split is by whole heads, else None."""
    op = splits.op
    if not (is_projection(op) or op.kind in ("matmul", "softmax")):
        return None
    each = channels_of(op) // op.heads
    channels = int(splits.channels[split])
    return channels // each if channels % each == 0 else None
