"""Cycles and energy of whole populations, looked up in the tables of `piece_costs.py`.

Costs of pieces that begin and end in SRAM with the NPU at work add up. The down-sampling step of a stage
and its first block are looked up together, in the best of the ways to hand over between them. If a stage
has no blocks, its step hands its map to the next one; dynamic programming finds the best placement of that
map for all such networks at once. Each network then uses the number of macros that is best for it.
"""

from __future__ import annotations

import numpy as np

from objectives.hardware.cost_model import CostModel
from objectives.hardware.mapping.mapper import CRITERIA
from objectives.hardware.mapping.op_splits import macro_options
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment import ENERGY
from objectives.population.gene_table import GeneTable, RowNumbers, merged
from objectives.population.piece_costs import CYCLES, ENERGY_PJ, WEIGHT_BYTES, PieceCosts
from search_space.arrays import Booleans, Floats, Genotypes, Integers
from search_space.space import Space

_MOST_ROWS = 1 << 12
"""Maximum rows of a merged table: few look-ups, and small enough for the processor's cache."""


class PopulationCosts:
    """Costs of populations, ignoring the capacity of the macros, and whether the weights fit.

    Args:
        space: The search space of the genotypes.
        model: SoC and mapping; the mapping minimises a sum.
        pieces: Costs of all pieces of `space` under `model`.
    """

    def __init__(self, space: Space, model: CostModel, pieces: PieceCosts) -> None:
        capacity = model.soc.cim.macro_capacity_bytes if model.soc.cim is not None else 0.0
        budgets = capacity * np.array(macro_options(model.soc))
        is_limited = _most_bytes(pieces) > budgets.min()
        # The criterion to minimise comes first, then the tie breakers.
        self._criteria = [CYCLES, ENERGY_PJ]
        if CRITERIA[model.mapper.name][0] == ENERGY:
            self._criteria.reverse()
        if is_limited:
            self._criteria.append(WEIGHT_BYTES)
        self._choices = 1 if _is_same_for_all_choices(pieces) else pieces.sums[0].value_shape[1]
        self._budgets = budgets[: self._choices]

        joined = list(pieces.sums)
        is_empty, steps, closed = pieces.is_empty, pieces.steps, []
        if pieces.has_one_ending:
            joined += [GeneTable(step.genes, step.values[..., 0, 0]) for step in pieces.steps]
            is_empty, steps = [], []
        else:
            closed = [self._closed(*pair) for pair in zip(pieces.steps, pieces.begins, strict=False)]
        if not any(table.values.any() for table in is_empty):
            is_empty, joined, steps = [], [*joined, *map(_of_npu, closed), *map(_of_npu, steps[-1:])], []
        joined = merged(joined, _MOST_ROWS)
        self._numbers = RowNumbers(space, [*joined, *is_empty, *steps, *(closed if steps else [])])
        self._sums = [self._values(table).reshape(table.rows, -1) for table in joined]
        self._is_empty = [table.values.reshape(-1) for table in is_empty]
        # Placements come first, so that the numbers to compare lie side by side: (rows, p, q, c, m).
        self._steps = [_placements_first(self._values(table)) for table in steps]
        self._starts = [np.ascontiguousarray(step[:, 0]) for step in self._steps]
        # Up to the end of the first block; the head has none.
        ends = [_placements_first(self._values(table)) for table in closed] if steps else []
        self._ends = [*ends, *(np.ascontiguousarray(step[:, :, 0]) for step in self._steps[-1:])]
        # One more row, of zeros, for networks in which the step is not alone.
        self._alone = [np.concatenate([end[:, 0], np.zeros_like(end[:1, 0])]) for end in self._ends]

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Cycles, energy in pJ, and whether the weights fit into the macros, each (n,).

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        numbers = self._numbers(genotypes)
        sums, rest = numbers[: len(self._sums)], numbers[len(self._sums) :]
        total = np.zeros((len(genotypes), self._sums[0].shape[1]))
        for table, rows in zip(self._sums, sums, strict=True):
            total += table.take(rows, axis=0)
        costs = total.reshape(len(genotypes), len(self._criteria), self._choices)  # (n, c, m)
        if self._steps:
            costs += self._of_steps(rest)
        best, choice = _of_best_choice(costs)  # (n, c), (n,)
        by_name = dict(zip(self._criteria, best.T, strict=True))
        fits = np.ones(len(best), dtype=bool)
        if WEIGHT_BYTES in by_name:
            fits = by_name[WEIGHT_BYTES] <= self._budgets[choice]
        return by_name[CYCLES], by_name[ENERGY_PJ], fits

    def _closed(self, step: GeneTable, begin: GeneTable) -> GeneTable:
        """Costs (3, m, p) of a step and of what the first block behind it costs more, in the best way."""
        genes = tuple(sorted({*step.genes, *begin.genes}))
        first, second = step.over(genes), begin.over(genes)  # (..., 3, m, p, q), (..., 3, m, 3)
        size = min(first.shape[-1], second.shape[-1])
        best: Floats | None = None
        order = self._criteria if WEIGHT_BYTES in self._criteria else [*self._criteria, WEIGHT_BYTES]
        for placement in range(size):
            other = first[..., placement] + second[..., None, placement]
            if best is None:
                best = other.copy()
                continue
            is_better = np.zeros(other[..., 0, :, :].shape, dtype=bool)
            is_equal = ~is_better
            for criterion in order:
                mine, theirs = best[..., criterion, :, :], other[..., criterion, :, :]
                is_better |= is_equal & (theirs < mine)
                is_equal &= theirs == mine
            np.copyto(best, other, where=is_better[..., None, :, :])
        assert best is not None
        return GeneTable(genes, best)

    def _values(self, table: GeneTable) -> Floats:
        """Values (rows, c, m, ...) of the criteria, and of the numbers of macros if they differ."""
        values = table.values.reshape(table.rows, *table.value_shape)
        return np.ascontiguousarray(values[:, self._criteria, : self._choices])

    def _of_steps(self, rows: Integers) -> Floats:
        """Costs (n, c, m) of all steps, and of what the first blocks behind them cost more.

        Args:
            rows: Rows in the tables of emptiness (stages), steps (stages + 1) and ends (stages), each (n,).
        """
        stages, count = len(self._is_empty), rows.shape[1]
        is_empty = np.stack([table[own] for table, own in zip(self._is_empty, rows, strict=False)])
        own_rows = rows[stages : 2 * stages + 1]
        end_rows = [*rows[2 * stages + 1 :], own_rows[-1]]
        total = np.zeros((count, len(self._criteria), self._choices))
        stays_open = [*is_empty, np.zeros(count, dtype=bool)]
        starts_open = [np.zeros(count, dtype=bool), *is_empty]
        open_costs = np.zeros((count, 1, *total.shape[1:]))  # up to each placement of an open map
        for index, step in enumerate(self._steps):
            is_joined = starts_open[index] | stays_open[index]
            none = len(self._alone[index]) - 1
            total += self._alone[index].take(np.where(is_joined, none, end_rows[index]), axis=0)
            ending = np.flatnonzero(starts_open[index] & ~stays_open[index])
            if len(ending):
                total[ending] += _least(
                    open_costs.take(ending, axis=0) + self._ends[index].take(end_rows[index][ending], axis=0)
                )
            if not stays_open[index].any():
                continue
            next_costs = np.empty((count, *step.shape[2:]))
            starting = np.flatnonzero(~starts_open[index] & stays_open[index])
            next_costs[starting] = self._starts[index].take(own_rows[index][starting], axis=0)
            passing = np.flatnonzero(starts_open[index] & stays_open[index])
            if len(passing):
                next_costs[passing] = _least(
                    open_costs.take(passing, axis=0)[:, :, None] + step.take(own_rows[index][passing], axis=0)
                )
            open_costs = next_costs
        return total


def _placements_first(values: Floats) -> Floats:
    """Values (rows, c, m, ...) as (rows, ..., c, m)."""
    return np.ascontiguousarray(np.moveaxis(values, (1, 2), (-2, -1)))


def _of_npu(table: GeneTable) -> GeneTable:
    """Costs (3, m) where the input is in SRAM and the NPU worked before."""
    axes = len(table.genes) + 2
    return GeneTable(table.genes, table.values[(slice(None),) * axes + (0,) * (table.values.ndim - axes)])


def _least(sums: Floats) -> Floats:
    """The best (n, ..., c, m) of sums (n, p, ..., c, m) by the first criterion; later ones break ties."""
    best = sums[:, 0].copy()
    for place in range(1, sums.shape[1]):
        other = sums[:, place]
        better, equal = other[..., 0, :] < best[..., 0, :], other[..., 0, :] == best[..., 0, :]
        if equal.any():
            for criterion in range(1, sums.shape[-2]):
                mine, theirs = best[..., criterion, :], other[..., criterion, :]
                better |= equal & (theirs < mine)
                equal &= theirs == mine
        np.copyto(best, other, where=better[..., None, :])
    return best


def _of_best_choice(costs: Floats) -> tuple[Floats, Integers]:
    """Costs (n, c) with the best number of macros by the first criterion, then by the second; and its index.

    Among equals the fewest macros win, as in `Mapper.find`.
    """
    first, second = costs[:, 0], costs[:, 1]
    tied = np.where(first == first.min(axis=1, keepdims=True), second, np.inf)
    choice = tied.argmin(axis=1)
    best: Floats = np.take_along_axis(costs, choice[:, None, None], axis=2)[:, :, 0]
    return best, choice


def _most_bytes(pieces: PieceCosts) -> float:
    """Upper bound on the weight bytes of any network in the macros."""
    columns = pieces.columns(WEIGHT_BYTES)
    return sum(float(column[column < FORBIDDEN].max()) for column in columns)


def _is_same_for_all_choices(pieces: PieceCosts) -> bool:
    """Whether no cost depends on the number of macros in use."""
    columns = [column for number in (CYCLES, ENERGY_PJ, WEIGHT_BYTES) for column in pieces.columns(number)]
    return all((column == column[:, :1]).all() for column in columns)
