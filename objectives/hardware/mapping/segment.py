"""The best mapping of a segment: a run of ops that begins and ends with its map in SRAM.

Exact dynamic programming over the placement of the map between two ops (min-plus Viterbi). The state is the
placement of the map; the costs of a step come from `placement.py`. The programme minimises a weighted sum of
cycles, energy and weight bytes in a macro. The next criterion breaks ties, so that the result does not depend
on the order of computation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.op_splits import SplitCosts, channels_of
from objectives.hardware.mapping.placement import (
    BACK,
    FORBIDDEN,
    STAY,
    Axis,
    OpCosts,
    hands_over,
    is_projection,
    op_costs,
)
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats, Integers

Weights = tuple[float, float, float]
"""Weights of cycles, of energy in pJ, of weight bytes in one macro."""

LATENCY: Weights = (1.0, 0.0, 0.0)
ENERGY: Weights = (0.0, 1.0, 0.0)
CAPACITY: Weights = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Way:
    """One op's part in a mapping: indices into the arrays of `OpCosts`, but for the number of macros."""

    placement: int
    split: int
    mode: int


@dataclass(frozen=True)
class Point:
    """One mapping of a segment with its costs.

    Attributes:
        cycles: Time in NPU cycles.
        energy_pj: Energy in pJ.
        macro_bytes: Weight bytes in one macro.
        ways: Way of each op.
    """

    cycles: float
    energy_pj: float
    macro_bytes: float
    ways: tuple[Way, ...]

    def value(self, weights: Weights) -> float:
        """The weighted sum."""
        return self.cycles * weights[0] + self.energy_pj * weights[1] + self.macro_bytes * weights[2]

    @property
    def key(self) -> tuple[float, float, float]:
        """Cycles, energy and bytes, to break ties by."""
        return self.cycles, self.energy_pj, self.macro_bytes


def split_points(ops: Sequence[Op], read_again: frozenset[int], soc: SoC) -> Iterator[tuple[int, int]]:
    """Starts and ends of the segments of a network, cut where a map has to be in SRAM.

    Args:
        ops: The network.
        read_again: Indices of ops whose output is read again later, not only by the next op.
        soc: The chip.
    """
    start = 0
    for index in range(1, len(ops) + 1):
        if index == len(ops) or index - 1 in read_again or not hands_over(ops[index - 1], ops[index], soc):
            yield start, index
            start = index


def segment_costs(
    splits: Sequence[SplitCosts], soc: SoC, *, before: SplitCosts | None = None
) -> list[OpCosts]:
    """Costs of all ways of each op of a segment, in order.

    Args:
        splits: Splits of each op.
        soc: The chip.
        before: Splits of the op that made the input, if that may lie elsewhere than in SRAM.
    """
    costs = []
    for index, op_splits in enumerate(splits):
        previous = splits[index - 1] if index else before
        costs.append(op_costs(previous, op_splits, soc, later_bytes=_later_bytes(splits, index)))
    return costs


def _later_bytes(splits: Sequence[SplitCosts], index: int) -> float:
    """Bytes of V, which goes to the macros with Q and K: the input of `attend` besides the attention map."""
    if splits[index].op.kind != "matmul" or index + 2 >= len(splits):
        return 0.0
    softmax, attend = splits[index + 1].op, splits[index + 2].op
    if softmax.kind != "softmax" or attend.kind != "matmul":
        return 0.0
    return float(attend.heads * attend.in_channels * attend.out_channels)


@dataclass(frozen=True)
class Steps:
    """Costs of a segment for dynamic programming: arrays (m, p, k, 2) of each op.

    Impossible ways cost `FORBIDDEN`.
    """

    cycles: tuple[Floats, ...]
    energy_pj: tuple[Floats, ...]
    macro_bytes: tuple[Floats, ...]

    @classmethod
    def of(cls, costs: Sequence[OpCosts]) -> Steps:
        """The criteria of `costs`, with impossible ways at `FORBIDDEN`."""
        return cls(
            tuple(_limited(cost.cycles, cost.possible) for cost in costs),
            tuple(_limited(cost.energy_pj, cost.possible) for cost in costs),
            tuple(_limited(cost.macro_bytes, cost.possible) for cost in costs),
        )

    def of_macros(self, index: int) -> Steps:
        """For one number of macros; m = 1."""
        return Steps(*(tuple(array[index : index + 1] for array in part) for part in vars(self).values()))


def _limited(values: Floats, possible: Booleans) -> Floats:
    return np.where(possible, values, FORBIDDEN)


def lexicographic(keys: Sequence[Floats]) -> Integers:
    """Index (rows,) of the smallest entry of each row of arrays (rows, n); later keys break ties."""
    least: Booleans | None = None
    for key in keys:
        masked = key if least is None else np.where(least, key, np.inf)
        ties = masked == masked.min(axis=1, keepdims=True)
        least = ties
    assert least is not None
    index: Integers = least.argmax(axis=1)
    return index


def solve(steps: Steps, weights: Weights, tie_breaker: Weights = LATENCY) -> list[Point]:
    """The best mapping for each number of macros.

    Args:
        steps: The segment.
        weights: Weights of the sum to minimise.
        tie_breaker: Weights of the sum that decides between equals; after it cycles, energy, bytes.
    """
    sums, choices = run(steps, weights, tie_breaker)
    points = []
    for macros in range(len(sums[0])):
        placement, ways = sums[0].shape[2] - 1, []
        for choice in reversed(choices):
            way = choice.way(macros, placement)
            ways.append(way)
            placement = way.placement
        cycles, energy, size = (float(total[macros, 0, -1]) for total in sums)
        points.append(Point(cycles, energy, size, tuple(reversed(ways))))
    return points


@dataclass(frozen=True)
class Choices:
    """The best way of one op to each placement of its output; indices as in `Way`, each (m, starts, outputs).

    Attributes:
        placement: Placement of the input.
        split: Split of the op.
        mode: `BACK` or `STAY`.
    """

    placement: Integers
    split: Integers
    mode: Integers

    def way(self, macros: int, output: int) -> Way:
        """The way to one placement of the output, from the first start."""
        return Way(
            int(self.placement[macros, 0, output]),
            int(self.split[macros, 0, output]),
            int(self.mode[macros, 0, output]),
        )


def run(
    steps: Steps, weights: Weights, tie_breaker: Weights = LATENCY, *, starts: int = 1
) -> tuple[list[Floats], list[Choices]]:
    """Dynamic programming from each of `starts` placements of the input; the last of them is SRAM.

    Returns:
        Cycles, energy and bytes of the best way to every placement of the output, each (m, starts, outputs),
        the last output being SRAM; and for every op the choices that lead there.
    """
    count = steps.cycles[0].shape[0]
    begin = np.where(np.eye(starts, dtype=bool), 0.0, FORBIDDEN)  # (starts, p)
    sums = [np.broadcast_to(begin, (count, starts, starts)) for _ in range(3)]
    choices: list[Choices] = []
    for costs in zip(steps.cycles, steps.energy_pj, steps.macro_bytes, strict=True):
        sums, best = _step(sums, costs, weights, tie_breaker)
        choices.append(best)
    return sums, choices


def _step(
    sums: Sequence[Floats], costs: Sequence[Floats], weights: Weights, tie_breaker: Weights
) -> tuple[list[Floats], Choices]:
    """One op of the dynamic programme.

    Args:
        sums: Cycles, energy and bytes up to each placement of the input, each (m, starts, p).
        costs: Cycles, energy and bytes of the op, each (m, p, k, 2).
        weights: Weights of the sum to minimise.
        tie_breaker: Weights of the sum that decides between equals.

    Returns:
        Cycles, energy and bytes up to each placement of the output, each (m, starts, k), and the choices.
    """
    # Axes of the totals: number of macros, start, placement of the input, split, output (BACK or STAY).
    totals = [total[:, :, :, None, None] + cost[:, None] for total, cost in zip(sums, costs, strict=True)]
    into_sram, choices = _to_sram([total[..., BACK] for total in totals], weights, tie_breaker)
    if costs[0].shape[Axis.SPLIT] == 1:
        return into_sram, choices
    at_macros, other_choices = _to_macros([total[..., :-1, STAY] for total in totals], weights, tie_breaker)
    values = [np.concatenate(pair, axis=2) for pair in zip(at_macros, into_sram, strict=True)]
    pairs = zip(vars(other_choices).values(), vars(choices).values(), strict=True)
    return values, Choices(*(np.concatenate(pair, axis=2) for pair in pairs))


def _to_sram(
    totals: Sequence[Floats], weights: Weights, tie_breaker: Weights
) -> tuple[list[Floats], Choices]:
    """The best of all placements of the input and all splits: totals (m, starts, p, k) to (m, starts, 1)."""
    count, starts, placements, splits = totals[0].shape
    rows = [total.reshape(-1, placements * splits) for total in totals]
    values, index = _best(rows, weights, tie_breaker, (count, starts, 1))
    return values, Choices(index // splits, index % splits, np.full_like(index, BACK))


def _to_macros(
    totals: Sequence[Floats], weights: Weights, tie_breaker: Weights
) -> tuple[list[Floats], Choices]:
    """The best placement of the input for each split: totals (m, starts, p, k) to (m, starts, k).

    The macros' share of the output stays with them, so the split is the placement of the output.
    """
    count, starts, placements, splits = totals[0].shape
    rows = [total.swapaxes(2, 3).reshape(-1, placements) for total in totals]
    values, placement = _best(rows, weights, tie_breaker, (count, starts, splits))
    split = np.broadcast_to(np.arange(splits), placement.shape)
    return values, Choices(placement, split, np.full_like(placement, STAY))


def _best(
    rows: Sequence[Floats], weights: Weights, tie_breaker: Weights, shape: tuple[int, int, int]
) -> tuple[list[Floats], Integers]:
    """The best of each row, for the three criteria, and its index; reshaped."""
    keys = [_weighted(rows, criterion) for criterion in (weights, tie_breaker) if sum(criterion) > 0]
    index = lexicographic([*keys, *rows])
    values = [np.take_along_axis(row, index[:, None], axis=1).reshape(shape) for row in rows]
    return values, index.reshape(shape)


def _weighted(rows: Sequence[Floats], weights: Weights) -> Floats:
    if sum(weight != 0 for weight in weights) == 1 and max(weights) == 1:
        return rows[weights.index(1.0)]
    return sum((row * weight for row, weight in zip(rows, weights, strict=True)), np.zeros_like(rows[0]))


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
        if middle_level >= level * (1 - 1e-12):
            return
        yield from between(left, middle)
        yield middle
        yield from between(middle, right)

    if end.value(second) >= start.value(second):
        return [start]
    return [start, *between(start, end), end]


def all_points(steps: Steps) -> list[Point]:
    """Every mapping of a segment of one op, for one number of macros."""
    cycles, energy, size = (
        np.broadcast_arrays(part[0][0, 0, :, BACK], steps.cycles[0][0, 0, :, BACK])[0]
        for part in (steps.cycles, steps.energy_pj, steps.macro_bytes)
    )
    return [
        Point(float(cycles[split]), float(energy[split]), float(size[split]), (Way(0, split, BACK),))
        for split in range(len(cycles))
        if cycles[split] < FORBIDDEN
    ]


def npu_heads(splits: SplitCosts, split: int) -> int | None:
    """Heads on the NPU where the split is by whole heads, else None."""
    op = splits.op
    if not (is_projection(op) or op.kind in ("matmul", "softmax")):
        return None
    each = channels_of(op) // op.heads
    channels = int(splits.channels[split])
    return channels // each if channels % each == 0 else None
