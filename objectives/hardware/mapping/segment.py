"""The best mapping of a segment: a run of ops that begins and ends with its map in SRAM.

Exact dynamic programming over the placement of the map between two ops (min-plus Viterbi): the state is where
the map lies, the costs of a step are those of `placement.py`. What is minimised is a weighted sum of cycles,
energy and weight bytes in a macro; ties are broken by the next criterion, so that the answer does not
depend on the order in which anything was computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.op_splits import Shares, channels_of
from objectives.hardware.mapping.placement import (
    BACK,
    FORBIDDEN,
    STAY,
    OpCosts,
    hands_over,
    is_projection,
    op_costs,
)
from objectives.hardware.op import BoolArray, FloatArray, IntArray, Op
from objectives.hardware.soc import SoC

Weights = tuple[float, float, float]
"""Of cycles, of energy in pJ, of weight bytes in one macro."""

LATENCY: Weights = (1.0, 0.0, 0.0)
ENERGY: Weights = (0.0, 1.0, 0.0)
CAPACITY: Weights = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Way:
    """One op's part in a mapping: indices into `OpCosts`."""

    placement: int
    split: int
    mode: int


@dataclass(frozen=True)
class Point:
    """One mapping of a segment, or of a network, and what it costs.

    Attributes:
        cycles: Time.
        energy_pj: Energy.
        macro_bytes: Weights in one macro.
        ways: How each op runs.
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
    """Starts and ends of the segments of a network: cut where a map has to be in SRAM anyway.

    Args:
        ops: The network.
        read_again: Indices of ops whose output is read again later, not only by the next op.
        soc: Where it runs.
    """
    start = 0
    for index in range(1, len(ops) + 1):
        if index == len(ops) or index - 1 in read_again or not hands_over(ops[index - 1], ops[index], soc):
            yield start, index
            start = index


def segment_costs(tables: Sequence[Shares], soc: SoC, *, before: Shares | None = None) -> list[OpCosts]:
    """Costs of all ways of each op of a segment, in order.

    Args:
        tables: The ops.
        soc: Where they run.
        before: The op that made the input, if that may lie elsewhere than in SRAM.
    """
    costs = []
    for index, table in enumerate(tables):
        previous = tables[index - 1] if index else before
        costs.append(op_costs(previous, table, soc, later_bytes=_later_bytes(tables, index)))
    return costs


def _later_bytes(tables: Sequence[Shares], index: int) -> float:
    """V, which goes to the macros with Q and K: what `attend` reads besides the attention map."""
    if tables[index].op.kind != "matmul" or index + 2 >= len(tables):
        return 0.0
    softmax, attend = tables[index + 1].op, tables[index + 2].op
    if softmax.kind != "softmax" or attend.kind != "matmul":
        return 0.0
    return float(attend.heads * attend.in_channels * attend.out_channels)


@dataclass(frozen=True)
class Steps:
    """A segment ready for dynamic programming: for each op arrays (m, p, k, 2), forbidden ways at
    `FORBIDDEN`."""

    cycles: tuple[FloatArray, ...]
    energy_pj: tuple[FloatArray, ...]
    macro_bytes: tuple[FloatArray, ...]

    @classmethod
    def of(cls, costs: Sequence[OpCosts]) -> Steps:
        """The sums that are minimised."""
        return cls(
            tuple(_limited(cost.cycles, cost.possible) for cost in costs),
            tuple(_limited(cost.energy_pj, cost.possible) for cost in costs),
            tuple(_limited(cost.macro_bytes, cost.possible) for cost in costs),
        )

    def of_macros(self, index: int) -> Steps:
        """For one number of macros; m = 1."""
        return Steps(*(tuple(array[index : index + 1] for array in part) for part in vars(self).values()))


def _limited(values: FloatArray, possible: BoolArray) -> FloatArray:
    return np.where(possible, values, FORBIDDEN)


def lexicographic(keys: Sequence[FloatArray]) -> IntArray:
    """Index (rows,) of the least of each row of arrays (rows, n): by the first key, then the second, ..."""
    least: BoolArray | None = None
    for key in keys:
        masked = key if least is None else np.where(least, key, np.inf)
        ties = masked == masked.min(axis=1, keepdims=True)
        least = ties
    assert least is not None
    index: IntArray = least.argmax(axis=1)
    return index


def solve(steps: Steps, weights: Weights, then: Weights = LATENCY) -> list[Point]:
    """The best mapping for each number of macros.

    Args:
        steps: The segment.
        weights: What is minimised.
        then: What decides between equals; after it cycles, energy, bytes.
    """
    sums, back = run(steps, weights, then)
    points = []
    for macros in range(len(sums[0])):
        state, ways = sums[0].shape[2] - 1, []
        for choices in reversed(back):
            placement, split, mode = (int(part[macros, 0, state]) for part in choices)
            ways.append(Way(placement, split, mode))
            state = placement
        cycles, energy, size = (float(part[macros, 0, -1]) for part in sums)
        points.append(Point(cycles, energy, size, tuple(reversed(ways))))
    return points


Choices = tuple[IntArray, IntArray, IntArray]


def run(
    steps: Steps, weights: Weights, then: Weights = LATENCY, *, starts: int = 1
) -> tuple[list[FloatArray], list[Choices]]:
    """Dynamic programming from each of `starts` placements of the input; the last of them is SRAM.

    Returns:
        Cycles, energy and bytes of the best way to every placement of the output, each (m, starts, states),
        the last state being SRAM; and for every op the choices (placement, split, mode) that lead there.
    """
    count = steps.cycles[0].shape[0]
    begin = np.where(np.eye(starts, dtype=bool), 0.0, FORBIDDEN)  # (starts, p)
    sums = [np.broadcast_to(begin, (count, starts, starts)) for _ in range(3)]
    back: list[Choices] = []
    for parts in zip(steps.cycles, steps.energy_pj, steps.macro_bytes, strict=True):
        sums, choices = _step(sums, parts, weights, then)
        back.append(choices)
    return sums, back


def _step(
    sums: list[FloatArray], parts: tuple[FloatArray, ...], weights: Weights, then: Weights
) -> tuple[list[FloatArray], Choices]:
    """One op: sums (m, s, p) and costs (m, p, k, 2) to sums (m, s, k)."""
    count, starts, places = sums[0].shape
    splits = parts[0].shape[2]
    totals = [total[:, :, :, None, None] + part[:, None] for total, part in zip(sums, parts, strict=True)]
    if splits == 1:
        staying = None
    else:
        # Every placement but SRAM is reached by its own split, with the macros' share staying.
        flat = [total[..., :-1, STAY].swapaxes(2, 3).reshape(-1, places) for total in totals]
        staying = _best(flat, weights, then, (count, starts, splits - 1))
    flat = [total[..., BACK].reshape(-1, places * splits) for total in totals]
    values, index = _best(flat, weights, then, (count, starts, 1))
    placement, split = index // splits, index % splits
    mode = np.full_like(index, BACK)
    if staying is None:
        return values, (placement, split, mode)
    own = np.broadcast_to(np.arange(splits - 1), staying[1].shape)
    kept = np.full_like(staying[1], STAY)
    joined = [np.concatenate(pair, axis=2) for pair in zip(staying[0], values, strict=True)]
    placement, split, mode = (
        np.concatenate(pair, axis=2) for pair in ((staying[1], placement), (own, split), (kept, mode))
    )
    return joined, (placement, split, mode)


def _best(
    rows: list[FloatArray], weights: Weights, then: Weights, shape: tuple[int, int, int]
) -> tuple[list[FloatArray], IntArray]:
    """The best of each row, for the three criteria, and where it was; reshaped."""
    keys = [_weighted(rows, part) for part in (weights, then) if sum(part) > 0]
    index = lexicographic([*keys, *rows])
    values = [np.take_along_axis(row, index[:, None], axis=1).reshape(shape) for row in rows]
    return values, index.reshape(shape)


def _weighted(rows: list[FloatArray], weights: Weights) -> FloatArray:
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
        found = middle.value(first) * fall + middle.value(second) * rise
        if found >= level * (1 - 1e-12):
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


def npu_heads(table: Shares, split: int) -> int | None:
    """Heads on the NPU where the split is by whole heads, else None."""
    op = table.op
    if not (is_projection(op) or op.kind in ("matmul", "softmax")):
        return None
    each = channels_of(op) // op.heads
    return int(table.channels[split]) // each if int(table.channels[split]) % each == 0 else None
