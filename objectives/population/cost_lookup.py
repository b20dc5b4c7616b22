"""Cycles and energy of whole populations, looked up in the tables of `piece_costs.py`.

Costs of pieces that begin and end in SRAM with the NPU at work add up. A down-sampling step is looked up
together with the first block behind it, in the best of the ways to hand over between them; steps without a
block between them are looked up together as well (`step_runs.py`). Each network then uses the number of
macros that is best for it. Numbers of macros that are best for no network are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from objectives.hardware.mapping.device_choice import (
    ENERGY,
)
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.hardware.mapping.split_costs import macro_options
from objectives.population.gene_table import GeneColumns, GeneTable, merged, without_idle_genes
from objectives.population.piece_costs import CYCLES, ENERGY_PJ, WEIGHT_BYTES, PieceCosts
from objectives.population.step_genes import StepGenes
from objectives.population.step_runs import MOST_ROWS, StepRuns
from search_space.arrays import Booleans, Floats, Genotypes, Integers
from search_space.space import Space

_MOST_ROWS = 1 << 12
"""Maximum rows of a merged table: few look-ups, and small enough for the processor's cache."""
_CHUNK = 1 << 12
"""Networks per look-up; small enough for the processor's cache."""


class PopulationCosts:
    """Costs of populations, ignoring the capacity of the macros, and whether the weights fit.

    Args:
        space: The search space of the genotypes.
        mapper: SoC and mapping; the mapping minimises a sum.
        pieces: Costs of all pieces of `space` under that mapping.
        all_choices: Keep weight bytes and every number of macros, for `each`.
        most_step_rows: As `step_runs.MOST_ROWS`.
    """

    def __init__(
        self,
        space: Space,
        mapper: Mapper,
        pieces: PieceCosts,
        *,
        all_choices: bool = False,
        most_step_rows: int = MOST_ROWS,
    ) -> None:
        capacity = mapper.soc.cim.macro_capacity_bytes if mapper.soc.cim is not None else 0.0
        # The criterion to minimise comes first, then the tie breakers.
        self._criteria = [CYCLES, ENERGY_PJ]
        if CRITERIA[mapper.name][0] == ENERGY:
            self._criteria.reverse()
        options = macro_options(mapper.soc)
        choices = list(range(len(options))) if all_choices else _useful_choices(pieces, self._criteria)
        self._budgets = capacity * np.array(options, dtype=np.float64)[choices]
        if all_choices or (_most_bytes(pieces)[choices] > self._budgets).any():
            self._criteria.append(WEIGHT_BYTES)
        self._shape = (len(self._criteria), len(choices))

        def wanted(table: GeneTable) -> GeneTable:
            """The criteria and choices alone, behind the placements: (..., c, m)."""
            axis = len(table.genes)
            values = table.values.take(self._criteria, axis=axis).take(choices, axis=axis + 1)
            return without_idle_genes(GeneTable(table.genes, np.moveaxis(values, (axis, axis + 1), (-2, -1))))

        sums = [wanted(table) for table in pieces.sums]
        self._runs: StepRuns | None = None
        derived: list[GeneTable] = []
        if pieces.has_one_ending:
            sums += [_of_npu(wanted(step)) for step in pieces.steps]
        else:
            few = StepGenes.of(
                len(space.genes),
                list(map(wanted, pieces.steps)),
                list(map(wanted, pieces.begins)),
                pieces.is_empty,
            )
            derived = few.derived
        self._columns = GeneColumns(space, derived)
        if not pieces.has_one_ending:
            self._runs = StepRuns(self._columns, few.steps, few.begins, few.is_empty, most_step_rows)
        self._sums = [
            (table.genes, np.ascontiguousarray(table.values.reshape(table.rows, -1)))
            for table in merged(sums, _MOST_ROWS)
        ]

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Cycles, energy in pJ, and whether the weights fit into the macros, each (n,).

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        best = np.empty((3, len(genotypes)))
        for rows, total in self._totals(genotypes):
            best[:, rows] = self._best(total)
        return best[0], best[1], best[2] > 0

    def each(self, genotypes: Genotypes) -> Floats:
        """Cycles, energy in pJ and weight bytes for every number of macros (n, m, 3).

        Only where `all_choices` were kept.
        """
        criteria, choices = self._shape
        result = np.empty((len(genotypes), choices, criteria))
        for rows, total in self._totals(genotypes):
            result[rows] = np.moveaxis(total.reshape(-1, criteria, choices), 1, 2)
        order = [self._criteria.index(number) for number in (CYCLES, ENERGY_PJ, WEIGHT_BYTES)]
        return result[..., order]

    def _totals(self, genotypes: Genotypes) -> Iterator[tuple[slice | Integers, Floats]]:
        """Costs (k, c * m) of some networks after others; later ones replace earlier ones."""
        count, width = len(genotypes), self._shape[0] * self._shape[1]
        left: list[Integers] = []
        left_sums: list[Floats] = []
        buffer = np.empty((min(count, _CHUNK), width))
        for start in range(0, max(count, 1), _CHUNK):
            columns = self._columns(genotypes[start : start + _CHUNK])
            size = columns.shape[1]
            total = np.zeros((size, width))
            for genes, table in self._sums:
                table.take(self._columns.rows(columns, genes), axis=0, out=buffer[:size], mode="clip")
                total += buffer[:size]
            if self._runs is not None:
                rest = self._runs.add(total, columns, buffer[:size])
                left.append(rest + start)
                left_sums.append(total[rest])
            yield slice(start, start + size), total
        # Few networks: together they take fewer steps.
        rest, sums = np.concatenate([[], *left]).astype(np.int64), np.concatenate([buffer[:0], *left_sums])
        for start in range(0, len(rest), _CHUNK):
            rows = rest[start : start + _CHUNK]
            assert self._runs is not None
            yield rows, sums[start : start + _CHUNK] + self._runs.untabulated(self._columns(genotypes[rows]))

    def _best(self, total: Floats) -> Floats:
        """Cycles, energy and whether the weights fit (3, n), each with the best number of macros.

        Among equals the fewest macros win, as in `Mapper.find`.

        Args:
            total: Costs (n, c * m).
        """
        criteria, choices = self._shape
        costs = np.ascontiguousarray(total.T).reshape(criteria, choices, -1)
        best = costs[:, 0]
        budget = np.full(len(total), self._budgets[0])
        for choice in range(1, choices):
            other = costs[:, choice]
            is_better = (other[0] < best[0]) | ((other[0] == best[0]) & (other[1] < best[1]))
            np.copyto(best, other, where=is_better)
            np.copyto(budget, self._budgets[choice], where=is_better)
        by_name = dict(zip(self._criteria, best, strict=True))
        cycles = by_name[CYCLES]
        fits = cycles < FORBIDDEN
        if WEIGHT_BYTES in by_name:
            fits &= by_name[WEIGHT_BYTES] <= budget
        return np.stack([cycles, by_name[ENERGY_PJ], fits])


def _of_npu(table: GeneTable) -> GeneTable:
    """Costs (c, m) where the input is in SRAM and the NPU worked before; ends likewise."""
    return GeneTable(table.genes, table.values[(slice(None),) * len(table.genes) + (0, 0)])


def _useful_choices(pieces: PieceCosts, criteria: list[int]) -> list[int]:
    """Indices of the numbers of macros that may be best for some network.

    Another number makes one useless if its costs are lower even where they differ least, piece by piece.
    """
    columns = [pieces.columns(criterion) for criterion in criteria[:2]]
    count = columns[0][0].shape[1]
    useful = []
    for choice in range(count):
        for other in range(count):
            first, second = (sum(_least_excess(column, choice, other) for column in part) for part in columns)
            # Among equals the fewest macros win.
            if first > 0 or (other < choice and first >= 0 and second >= 0):
                break
        else:
            useful.append(choice)
    return useful


def _least_excess(column: Floats, choice: int, other: int) -> float:
    """Least amount by which costs (rows, m, ...) of one number of macros exceed those of another."""
    own, theirs = column[:, choice], column[:, other]
    excess = own - theirs
    # A way that neither number of macros has decides nothing.
    excess[(own >= FORBIDDEN) & (theirs >= FORBIDDEN)] = 0.0
    return float(excess.min())


def _most_bytes(pieces: PieceCosts) -> Floats:
    """Upper bound on the weight bytes of any network in the macros, for each number of macros (m,)."""
    columns = [np.moveaxis(column, 1, 0) for column in pieces.columns(WEIGHT_BYTES)]
    bounds: Floats = np.array(
        [np.where(column < FORBIDDEN, column, 0.0).reshape(len(column), -1).max(axis=1) for column in columns]
    ).sum(axis=0)
    return bounds
