"""Cycles and energy of whole populations, looked up in the tables of `piece_costs.py`.

Costs of pieces that begin and end in SRAM add up. If a stage has no blocks, its down-sampling step hands its
map to the next one; dynamic programming finds the best placement of that map for all such networks at once.
Each network then uses the number of macros that is best for it.
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
        self._capacity = capacity if _most_bytes(pieces) > capacity else np.inf
        # The criterion to minimise comes first, then the tie breakers.
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
        self._sums = [self._values(table).reshape(table.rows, -1) for table in joined]
        self._is_empty = [table.values.reshape(-1) for table in is_empty]
        self._steps = [self._values(table) for table in steps]
        self._begins = [np.ascontiguousarray(step[..., 0, :]) for step in self._steps]
        self._ends = [np.ascontiguousarray(step[..., 0]) for step in self._steps]

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
            is_empty = np.stack(
                [table[rows] for table, rows in zip(self._is_empty, rest[: len(self._is_empty)], strict=True)]
            )
            joined = np.flatnonzero(is_empty.any(axis=0))
            costs[joined] += self._joined_steps(rest[len(self._is_empty) :, joined], is_empty[:, joined])
        best = _of_best_choice(costs)  # (n, c)
        by_name = dict(zip(self._criteria, best.T, strict=True))
        fits = by_name[MACRO_BYTES] <= self._capacity if MACRO_BYTES in by_name else np.ones(len(best), bool)
        return by_name[CYCLES], by_name[ENERGY_PJ], fits

    def _values(self, table: GeneTable) -> Floats:
        """Values (rows, c, m, ...) of the criteria, and of the numbers of macros if they differ."""
        values = table.values.reshape(table.rows, *table.value_shape)
        return np.ascontiguousarray(values[:, self._criteria, : self._choices])

    def _joined_steps(self, rows: Integers, is_empty: Booleans) -> Floats:
        """Costs (n, c, m) of all steps that may begin or end elsewhere than in SRAM.

        Args:
            rows: Row of each step in its table (stages + 1, n).
            is_empty: Whether each stage has no blocks (stages, n).
        """
        count = rows.shape[1]
        costs = np.zeros((count, len(self._criteria), self._choices))
        is_open = np.zeros(count, dtype=bool)
        open_costs = np.zeros((count, *costs.shape[1:], 1))  # (n, c, m, p) up to each placement of the map
        for index, step in enumerate(self._steps):
            stays_open = is_empty[index] if index < len(is_empty) else np.zeros(count, dtype=bool)
            own = rows[index]
            ending = np.flatnonzero(is_open & ~stays_open)
            costs[ending] += _least(open_costs[ending] + self._ends[index][own[ending]])
            next_costs = np.empty((count, *step.shape[1:3], step.shape[4]))
            starting = np.flatnonzero(~is_open & stays_open)
            next_costs[starting] = self._begins[index][own[starting]]
            passing = np.flatnonzero(is_open & stays_open)
            next_costs[passing] = _least(open_costs[passing][..., None] + step[own[passing]])
            is_open, open_costs = stays_open, next_costs
        return costs


def _closed_steps(pieces: PieceCosts) -> list[GeneTable]:
    """Costs (3, m) of each step from SRAM to SRAM; zero if it may begin or end elsewhere."""
    closed = [GeneTable(step.genes, step.values[..., 0, 0]) for step in pieces.steps]
    if pieces.hands_over:
        for index, empty in enumerate(pieces.is_empty):
            has_blocks = GeneTable(empty.genes, ~empty.values)
            closed[index] = closed[index].where(has_blocks)
            closed[index + 1] = closed[index + 1].where(has_blocks)
    return closed


def _least(sums: Floats) -> Floats:
    """The best (n, c, m, ...) of sums (n, c, m, p, ...) by the first criterion; later ones break ties."""
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
    """Costs (n, c) with the best number of macros by the first criterion, then by the second.

    Among equals the fewest macros win, as in `Mapper.find`.
    """
    first, second = costs[:, 0], costs[:, 1]
    tied = np.where(first == first.min(axis=1, keepdims=True), second, np.inf)
    choice = tied.argmin(axis=1)
    best: Floats = np.take_along_axis(costs, choice[:, None, None], axis=2)[:, :, 0]
    return best


def _most_bytes(pieces: PieceCosts) -> float:
    """Upper bound on the weight bytes in one macro of any network."""
    columns = pieces.columns(MACRO_BYTES)
    return sum(float(column[column < FORBIDDEN].max()) for column in columns)


def _is_same_for_all_choices(pieces: PieceCosts) -> bool:
    """Whether no cost depends on the number of macros in use."""
    columns = [column for number in (CYCLES, ENERGY_PJ, MACRO_BYTES) for column in pieces.columns(number)]
    return all((column == column[:, :1]).all() for column in columns)
