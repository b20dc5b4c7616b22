"""One step of the dynamic programme over a segment: the best way of an op to each placement of its output.

Every array of a step has the axes number of macros m, start s, placement of the input p, split k. Only the
criterion to minimise is summed for all ways. The other two are looked up for the best ways, and for ways that
the criterion does not tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.hand_over import BOTH, IN_SRAM, MACROS_ONLY, NPU_ONLY
from objectives.hardware.mapping.placement import BACK, FORBIDDEN, STAY
from search_space.arrays import Floats, Integers

Weights = tuple[float, float, float]
"""Weights of cycles, of energy in pJ, of weight bytes in all macros together."""

Criterion = tuple[float | Floats, float | Floats, float | Floats]
"""The same, as numbers or as arrays (m, 1, 1, 1) with weights of their own for each row of a stack."""

LATENCY: Weights = (1.0, 0.0, 0.0)
ENERGY: Weights = (0.0, 1.0, 0.0)
CAPACITY: Weights = (0.0, 0.0, 1.0)


def lexicographic(keys: Sequence[Floats]) -> Integers:
    """Index (rows,) of the smallest entry of each row of arrays (rows, n); later keys break ties."""
    return _least(keys[0], lambda tied: [key[tied] for key in keys[1:]])


def _least(key: Floats, others: Callable[[Integers], Sequence[Floats]]) -> Integers:
    """`lexicographic`, with later keys computed for the rows that need them only; impossible rows do not."""
    index: Integers = key.argmin(axis=1)
    least = key[np.arange(len(key)), index]
    ties = key == least[:, None]
    if np.count_nonzero(ties) == len(key):
        return index
    tied = np.flatnonzero((np.count_nonzero(ties, axis=1) > 1) & (least < FORBIDDEN))
    if len(tied) and (keys := others(tied)):
        index[tied] = lexicographic([np.where(ties[tied], other, np.inf) for other in keys])
    return index


@dataclass(frozen=True)
class Way:
    """One op's part in a mapping: indices into the arrays of `OpCosts`, but for the number of macros."""

    placement: int
    split: int
    mode: int


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


@dataclass(frozen=True)
class StepChoice:
    """One op of the dynamic programme.

    Axes: number of macros m, start s, placement of the input p, split k, output (`BACK` or `STAY`).

    Attributes:
        sums: Cycles, energy and bytes up to each placement of the input, each (m, s, p, 1 or k).
        costs: Cycles, energy and bytes of the op, each (m, p, k, 1 or 2).
        weights: Criterion to minimise.
        tie_breaker: Criterion that decides between equals.
        stays: Number of placements of the input at the macros.
        matching: As in `OpCosts`.
    """

    sums: Sequence[Floats]
    costs: Sequence[Floats]
    weights: Criterion
    tie_breaker: Weights
    stays: int
    matching: Integers | None

    @classmethod
    def of(
        cls,
        sums: Sequence[Floats],
        costs: Sequence[Floats],
        matching: Integers | None,
        weights: Criterion,
        tie_breaker: Weights,
    ) -> StepChoice:
        """A step behind `sums`, each (m, s, placements of the input)."""
        stays = sums[0].shape[2] - IN_SRAM
        if matching is None:
            return cls([total[..., None] for total in sums], costs, weights, tie_breaker, stays, None)
        spread = []
        for total in sums:
            in_sram = np.broadcast_to(total[:, :, stays:, None], (*total.shape[:2], IN_SRAM, len(matching)))
            spread.append(np.concatenate([total[:, :, None, matching], in_sram], axis=2))
        return cls(spread, costs, weights, tie_breaker, stays, matching)

    def best(self, last: Integers, *, stays: bool) -> tuple[list[Floats], Choices]:
        """The best ways to each placement of the output.

        Args:
            last: Devices that work last, by split (k,).
            stays: Whether the output may stay at the macros.

        Returns:
            Cycles, energy and bytes up to each placement of the output, each (m, s, q), and the choices.
        """
        key = self._total(self.weights, BACK)
        parts = [
            self._to_sram(key, np.flatnonzero(last == device)) for device in (MACROS_ONLY, BOTH, NPU_ONLY)
        ]
        if stays:
            parts.insert(0, self._to_macros())
        values = [np.concatenate([part[0][number] for part in parts], axis=2) for number in range(3)]
        choices = [vars(part[1]).values() for part in parts]
        return values, Choices(*(np.concatenate(column, axis=2) for column in zip(*choices, strict=True)))

    def _total(self, weights: Criterion, mode: int) -> Floats:
        """A weighted sum of the criteria (m, s, p, k)."""
        totals = {
            number: self.sums[number] + self.costs[number][:, None, ..., mode]
            for number, weight in enumerate(weights)
            if not (isinstance(weight, float) and weight == 0)
        }
        numbers = list(totals)
        only = weights[numbers[0]]
        if len(numbers) == 1 and isinstance(only, float) and only == 1:
            return totals[numbers[0]]
        first, *others = (total * weights[number] for number, total in totals.items())
        return sum(others, first)

    def _to_sram(self, key: Floats, splits: Integers) -> tuple[list[Floats], Choices]:
        """The best of all placements of the input and of `splits`: arrays (m, s, 1)."""
        count, starts, placements, _ = key.shape
        if not len(splits):
            none = np.zeros((count, starts, 1), dtype=np.int64)
            return [np.full(none.shape, FORBIDDEN) for _ in self.sums], Choices(none, none, none)
        rows = key[..., splits].reshape(count * starts, placements * len(splits))

        def others(tied: Integers) -> list[Floats]:
            macros, start = tied // starts, tied % starts
            sums = [total[macros, start] for total in self.sums]
            sums = [total[..., splits] if total.shape[-1] > 1 else total for total in sums]
            costs = [cost[macros][..., splits, BACK] for cost in self.costs]
            return self._later_keys(
                [(a + b).reshape(len(tied), -1) for a, b in zip(sums, costs, strict=True)]
            )

        index = _least(rows, others).reshape(count, starts, 1)
        return self._chosen(index // len(splits), splits[index % len(splits)], BACK)

    def _to_macros(self) -> tuple[list[Floats], Choices]:
        """The best placement of the input for each split: arrays (m, s, k - 1).

        The macros' share of the output stays with them, so the split is the placement of the output.
        """
        key = self._total(self.weights, STAY)[..., :-1]
        count, starts, placements, splits = key.shape
        rows = key.swapaxes(2, 3).reshape(-1, placements)

        def others(tied: Integers) -> list[Floats]:
            macros, start, split = np.unravel_index(tied, (count, starts, splits))
            sums = [total[macros, start, :, split if total.shape[-1] > 1 else 0] for total in self.sums]
            costs = [cost[macros, :, split, STAY] for cost in self.costs]
            return self._later_keys([a + b for a, b in zip(sums, costs, strict=True)])

        index = _least(rows, others).reshape(count, starts, splits)
        return self._chosen(index, np.broadcast_to(np.arange(splits), index.shape), STAY)

    def _later_keys(self, rows: list[Floats]) -> list[Floats]:
        return [weighted(rows, self.tie_breaker), *rows]

    def _chosen(self, entry: Integers, split: Integers, mode: int) -> tuple[list[Floats], Choices]:
        """Costs of the chosen entries of p and splits, each (m, s, q), and the choices themselves."""
        count, starts, _ = entry.shape
        macros, start = np.arange(count)[:, None, None], np.arange(starts)[None, :, None]
        values = [
            total[macros, start, entry, split if total.shape[-1] > 1 else 0]
            + cost[macros, entry, split, mode]
            for total, cost in zip(self.sums, self.costs, strict=True)
        ]
        placement = entry
        if self.matching is not None:
            placement = np.where(entry == 0, self.matching[split], entry + self.stays - 1)
        return values, Choices(placement, split, np.full_like(entry, mode))


def weighted(rows: Sequence[Floats], weights: Weights) -> Floats:
    """A weighted sum of cycles, energy and bytes."""
    if sum(weight != 0 for weight in weights) == 1 and max(weights) == 1:
        return rows[weights.index(1.0)]
    return sum((row * weight for row, weight in zip(rows, weights, strict=True)), np.zeros_like(rows[0]))
