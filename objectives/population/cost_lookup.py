"""Cycles and energy of a whole population: look-up, sum, and dynamic programming where steps hand over maps.

What begins and ends in SRAM adds up. Where a stage has no blocks, its down-sampling step and the next are
joined by the best placement of the map between them, for all such networks at once. Then each network takes
the number of macros that suits it best.
"""

from __future__ import annotations

import numpy as np

from objectives.hardware.cost_model import CostModel
from objectives.hardware.mapping.mapper import CRITERIA
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.segment import ENERGY
from objectives.population.gene_table import GeneTable, RowNumbers, merged
from objectives.population.piece_costs import CYCLES, ENERGY_PJ, MACRO_BYTES, PieceCosts
from search_space.arrays import Booleans, Floats, Genotypes, Integers
from search_space.space import Space

_MOST_ROWS = 1 << 12
"""Of a joined table: few look-ups, and still in the processor's cache."""


class PopulationCosts:
    """Costs populations as if the macros held everything, and says for which networks they do.

    Args:
        space: What the genotypes mean.
        model: SoC and mapping; one that minimises a sum.
        pieces: Costs of all pieces of `space` under `model`.
    """

    def __init__(self, space: Space, model: CostModel, pieces: PieceCosts) -> None:
        capacity = model.soc.cim.macro_capacity_bytes if model.soc.cim is not None else 0.0
        self._capacity = capacity if _most_bytes(pieces) > capacity else np.inf
        # What is minimised stands first, then what decides between equals.
        self._criteria = [CYCLES, ENERGY_PJ]
        if CRITERIA[model.mapper.name][0] == ENERGY:
            self._criteria.reverse()
        if self._capacity < np.inf:
            self._criteria.append(MACRO_BYTES)
        self._choices = 1 if _is_same_for_all_choices(pieces) else pieces.sums[0].value_shape[1]

        joined = merged([*pieces.sums, *_closed_steps(pieces)], _MOST_ROWS)
        is_empty = pieces.is_empty if pieces.hands_over else []
        steps = pieces.steps if pieces.hands_over else []
        self._numbers = RowNumbers(space, [*joined, *is_empty, *steps])
        self._sums = [self._kept(table).reshape(table.rows, -1) for table in joined]
        self._is_empty = [table.values.reshape(-1) for table in is_empty]
        self._steps = [self._kept(table) for table in steps]
        self._begins = [np.ascontiguousarray(step[..., 0, :]) for step in self._steps]
        self._ends = [np.ascontiguousarray(step[..., 0]) for step in self._steps]

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Cycles, energy in pJ, and whether the weights fit into the macros, each (n,).

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is no genotype of the space.
        """
        numbers = self._numbers(genotypes)
        sums, rest = numbers[: len(self._sums)], numbers[len(self._sums) :]
        total = np.zeros((len(genotypes), self._sums[0].shape[1]))
        for table, rows in zip(self._sums, sums, strict=True):
            total += table.take(rows, axis=0)
        costs = total.reshape(len(genotypes), len(self._criteria), self._choices)  # (n, c, m)
        if self._steps:
            is_empty = np.stack(
                [table[rows] for table, rows in zip(self._is_empty, rest[: len(self._is_empty)], strict=True)]
            )
            some = np.flatnonzero(is_empty.any(axis=0))
            costs[some] += self._joined_steps(rest[len(self._is_empty) :, some], is_empty[:, some])
        best = _of_best_choice(costs)  # (n, c)
        by_name = dict(zip(self._criteria, best.T, strict=True))
        fits = by_name[MACRO_BYTES] <= self._capacity if MACRO_BYTES in by_name else np.ones(len(best), bool)
        return by_name[CYCLES], by_name[ENERGY_PJ], fits

    def _kept(self, table: GeneTable) -> Floats:
        """Values (rows, c, m, ...) of the criteria and numbers of macros that matter."""
        values = table.values.reshape(table.rows, *table.value_shape)
        return np.ascontiguousarray(values[:, self._criteria, : self._choices])

    def _joined_steps(self, rows: Integers, is_empty: Booleans) -> Floats:
        """Costs (n, c, m) of all steps that begin or end elsewhere than in SRAM.

        Args:
            rows: Of each step (stages + 1, n).
            is_empty: Whether each stage has no blocks (stages, n).
        """
        count = rows.shape[1]
        costs = np.zeros((count, len(self._criteria), self._choices))
        is_open = np.zeros(count, dtype=bool)
        waiting = np.zeros((count, *costs.shape[1:], 1))  # (n, c, m, p) for each placement of the map
        for index, step in enumerate(self._steps):
            stays_open = is_empty[index] if index < len(is_empty) else np.zeros(count, dtype=bool)
            own = rows[index]
            ending = np.flatnonzero(is_open & ~stays_open)
            costs[ending] += _least(waiting[ending] + self._ends[index][own[ending]])
            left = np.empty((count, *step.shape[1:3], step.shape[4]))
            starting = np.flatnonzero(~is_open & stays_open)
            left[starting] = self._begins[index][own[starting]]
            passing = np.flatnonzero(is_open & stays_open)
            left[passing] = _least(waiting[passing][..., None] + step[own[passing]])
            is_open, waiting = stays_open, left
        return costs


def _closed_steps(pieces: PieceCosts) -> list[GeneTable]:
    """Costs (3, m) of each step, zero where it begins or ends elsewhere than in SRAM."""
    closed = [GeneTable(step.genes, step.values[..., 0, 0]) for step in pieces.steps]
    if pieces.hands_over:
        for index, empty in enumerate(pieces.is_empty):
            has_blocks = GeneTable(empty.genes, ~empty.values)
            closed[index] = closed[index].where(has_blocks)
            closed[index + 1] = closed[index + 1].where(has_blocks)
    return closed


def _least(sums: Floats) -> Floats:
    """The best (n, c, m, ...) of sums (n, c, m, p, ...): by the first criterion, then the second, ..."""
    best = sums[:, :, :, 0].copy()
    for place in range(1, sums.shape[3]):
        other = sums[:, :, :, place]
        better, equal = other[:, 0] < best[:, 0], other[:, 0] == best[:, 0]
        for criterion in range(1, sums.shape[1]):
            better |= equal & (other[:, criterion] < best[:, criterion])
            equal &= other[:, criterion] == best[:, criterion]
        np.copyto(best, other, where=better[:, None])
    return best


def _of_best_choice(costs: Floats) -> Floats:
    """The costs (n, c) with the number of macros that is best by the first criterion, then the second.

    Between equals the fewest macros, as `Mapper.find` has it.
    """
    first, second = costs[:, 0], costs[:, 1]
    tied = np.where(first == first.min(axis=1, keepdims=True), second, np.inf)
    choice = tied.argmin(axis=1)
    best: Floats = np.take_along_axis(costs, choice[:, None, None], axis=2)[:, :, 0]
    return best


def _most_bytes(pieces: PieceCosts) -> float:
    """Weight bytes in one macro that no network exceeds."""
    columns = pieces.columns(MACRO_BYTES)
    return sum(float(column[column < FORBIDDEN].max()) for column in columns)


def _is_same_for_all_choices(pieces: PieceCosts) -> bool:
    """Whether nothing depends on how many macros are in use."""
    columns = [column for number in (CYCLES, ENERGY_PJ, MACRO_BYTES) for column in pieces.columns(number)]
    return all((column == column[:, :1]).all() for column in columns)
