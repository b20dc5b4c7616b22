"""Costs of runs of down-sampling steps: each step hands its map to the next where no block lies between.

A run begins with its map in SRAM and the NPU at work. It ends with the first block behind its last step, or
with the head. Within a run a map may stay at the macros, so the best placements are found by dynamic
programming: once for every combination of genes where these are few, else for the networks at hand.

Arrays of costs end with the axes of criteria and of numbers of macros, (..., c, m). The first criterion
counts, later ones break ties.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

import numpy as np

from objectives.hardware.mapping.hand_over import IN_SRAM
from objectives.hardware.mapping.placement import FORBIDDEN
from objectives.population.gene_table import Columns, GeneColumns, GeneTable
from search_space.arrays import Booleans, Floats, Integers

MOST_ROWS = 1 << 16
"""Most combinations of genes for which runs with an open end are tabulated."""
_MOST_ENDS = 4
"""Most first blocks for each of them."""


def least(candidates: Iterable[Floats]) -> Floats:
    """The best of arrays (c, ..., m), element by element; each is read before the next one is made."""
    best: Floats | None = None
    for other in candidates:
        if best is None:
            best = other.copy()
            continue
        better, equal = other[0] < best[0], other[0] == best[0]
        equal &= best[0] < FORBIDDEN
        if equal.any():
            for mine, theirs in zip(best[1:], other[1:], strict=True):
                better |= equal & (theirs < mine)
                equal &= theirs == mine
        np.copyto(best, other, where=better)
    assert best is not None
    return best


def joined(first: GeneTable, second: GeneTable) -> GeneTable:
    """The best placement of the map between two parts: (p, c, m) and (p, ..., c, m) to (..., c, m)."""
    genes = tuple(sorted({*first.genes, *second.genes}))
    one, other = first.over(genes), second.over(genes)
    if second.values.ndim - len(second.genes) > 3:
        one = one[..., None, :, :]
    # Placements first, then criteria: neighbours in memory are compared with each other.
    axis = len(genes)
    one, other = (np.ascontiguousarray(np.moveaxis(part, (axis, -2), (0, 1))) for part in (one, other))
    # One array for all sums: large ones are slow to allocate.
    buffer = np.empty(np.broadcast_shapes(one.shape[1:], other.shape[1:]))
    best = least(np.add(mine, theirs, out=buffer) for mine, theirs in zip(one, other, strict=False))
    return GeneTable(genes, np.moveaxis(best, 0, -2))


class StepRuns:
    """Costs of all runs of steps of a population.

    Args:
        columns: Genes of the tables.
        steps: Costs (p, q, c, m) of each step, the last being the head's.
        begins: Costs (3, c, m) of the first block behind each step but the last.
        is_empty: For each stage a table of one gene: whether it has no blocks.
        most_rows: As `MOST_ROWS`.
    """

    def __init__(
        self,
        columns: GeneColumns,
        steps: Sequence[GeneTable],
        begins: Sequence[GeneTable],
        is_empty: Sequence[GeneTable],
        most_rows: int = MOST_ROWS,
    ) -> None:
        self._columns = columns
        self._is_empty = [(table.genes[0], table.values) for table in is_empty]
        self._width = prod(steps[0].value_shape[2:])
        self._steps, self._begins = steps, begins
        self._flat_steps, self._flat_begins = list(map(_flat, steps)), list(map(_flat, begins))
        self._genes: list[dict[int, tuple[int, ...]]] = []
        self._offsets: list[dict[int, int]] = []
        self._tables: list[Floats] = []
        for start in range(len(steps)):
            tables = dict(self._runs_from(start, most_rows))
            rows = [table.values.reshape(table.rows, self._width) for table in tables.values()]
            ends = np.cumsum([len(part) for part in rows]).tolist()
            self._genes.append({end: table.genes for end, table in tables.items()})
            self._offsets.append(dict(zip(tables, [0, *ends], strict=False)))
            # The last row is of networks that have no run from here.
            self._tables.append(np.concatenate([*rows, np.zeros((1, self._width))]))

    def _runs_from(self, start: int, most_rows: int) -> Iterator[tuple[int, GeneTable]]:
        """The last step and the costs (c, m) of each run from step `start` that is tabulated."""
        opened = _from_sram(self._steps[start])
        for end in range(start, len(self._steps)):
            following = self._steps[end + 1 : end + 2]
            goes_on = (
                bool(following)
                and bool(self._is_empty[end][1].any())
                and self._rows(opened, following[0]) <= most_rows
            )
            closing = self._begins[end : end + 1]
            if closing and self._rows(opened, closing[0]) > _MOST_ENDS * most_rows and end > start:
                return
            yield end, joined(opened, closing[0]) if closing else _from_sram(opened)
            if not goes_on:
                return
            opened = joined(opened, self._in_use(following[0], opened, end + 2, most_rows))

    def _in_use(self, step: GeneTable, opened: GeneTable, following: int, most_rows: int) -> GeneTable:
        """Costs (p, q, c, m) of a step, without outputs at the macros if no table of runs needs them."""
        if following < len(self._steps) and (
            self._is_empty[following - 1][1].any()
            and self._rows(opened, step, self._steps[following]) <= most_rows
        ):
            return step
        axis = len(step.genes) + 1
        return GeneTable(step.genes, step.values[(slice(None),) * axis + (slice(IN_SRAM),)])

    def _rows(self, *tables: GeneTable) -> int:
        genes = {gene for table in tables for gene in table.genes}
        return prod(self._columns.cardinalities[gene] for gene in genes)

    def add(self, total: Floats, columns: Columns, buffer: Floats) -> Integers:
        """Adds the costs of all tabulated runs.

        Args:
            total: Costs (n, c * m), changed in place.
            columns: Genes (genes, n).
            buffer: Room for n rows of costs.

        Returns:
            Networks with a run that is not tabulated; none of their runs are added.
        """
        empty = [values[columns[gene]] for gene, values in self._is_empty]
        left = np.zeros(columns.shape[1], dtype=bool)
        numbers = []
        for start, genes in enumerate(self._genes):
            rows = self._columns.rows(columns, genes[start])
            none = len(self._tables[start]) - 1
            if start > 0:
                rows[empty[start - 1]] = none
            if start < len(empty):
                is_open = empty[start] & ~empty[start - 1] if start > 0 else empty[start]
                self._longer(rows, np.flatnonzero(is_open), columns, empty, start, left)
            numbers.append(rows)
        for table, rows in zip(self._tables, numbers, strict=True):
            rows[left] = len(table) - 1
            table.take(rows, axis=0, out=buffer, mode="clip")
            total += buffer
        return np.flatnonzero(left)

    def _longer(
        self,
        rows: Columns,
        networks: Integers,
        columns: Columns,
        empty: Sequence[Booleans],
        start: int,
        left: Booleans,
    ) -> None:
        """Sets the rows of networks whose run from step `start` has several steps."""
        for end in range(start + 1, len(self._steps)):
            if not len(networks):
                return
            if end not in self._offsets[start]:
                left[networks] = True
                return
            goes_on = empty[end][networks] if end < len(empty) else np.zeros(len(networks), dtype=bool)
            ending = networks[~goes_on]
            genes = self._genes[start][end]
            own = columns[np.array(genes)[:, None], ending]
            numbers = own[0]
            for gene, column in zip(genes[1:], own[1:], strict=True):
                numbers *= self._columns.cardinalities[gene]
                numbers += column
            rows[ending] = numbers + self._offsets[start][end]
            networks = networks[goes_on]

    def untabulated(self, columns: Columns) -> Floats:
        """Costs (n, c * m) of all runs of networks (genes, n), without the tables of runs."""
        count = columns.shape[1]
        shape = self._steps[0].value_shape[2:]
        total = np.zeros((count, *shape))
        opened = np.zeros((count, 1, *shape))
        for index, (step, begin) in enumerate(zip(self._flat_steps, [*self._flat_begins, None], strict=True)):
            costs = step[self._columns.rows(columns, self._steps[index].genes)]  # (n, p, q, c, m)
            places = min(opened.shape[1], costs.shape[1])
            opened = _least_along(opened[:, :places, None] + costs[:, :places])
            if begin is None:
                return (total + opened[:, 0]).reshape(count, -1)
            more = begin[self._columns.rows(columns, self._begins[index].genes)]
            places = min(opened.shape[1], more.shape[1])
            closed = _least_along(opened[:, :places] + more[:, :places])
            gene, is_empty = self._is_empty[index]
            ends = ~is_empty[columns[gene]]
            total[ends] += closed[ends]
            opened[ends] = FORBIDDEN
            opened[ends, 0] = 0.0
        raise AssertionError("the head ends the last run")


def _from_sram(step: GeneTable) -> GeneTable:
    """Costs (q, c, m) where the input is in SRAM and the NPU worked before."""
    return GeneTable(step.genes, step.values[(slice(None),) * len(step.genes) + (0,)])


def _flat(table: GeneTable) -> Floats:
    """Values (rows, ...) of a table, one row for each combination of its genes."""
    return table.values.reshape(table.rows, *table.value_shape)


def _least_along(sums: Floats) -> Floats:
    """`least` of arrays (n, p, ..., c, m) along p, in few steps: quicker where they are small."""
    best = sums[:, 0]
    if sums.shape[1] == 1:
        return best
    last = sums.shape[-2] - 1
    is_best: Booleans | None = None
    for criterion in range(last):
        key = sums[..., criterion, :]
        if is_best is not None:
            key = np.where(is_best, key, np.inf)
        is_best = key == key.min(axis=1, keepdims=True)
    key = sums[..., last, :]
    index = (key if is_best is None else np.where(is_best, key, np.inf)).argmin(axis=1)[..., None, :]
    best = best.copy()
    for place in range(1, sums.shape[1]):
        np.copyto(best, sums[:, place], where=index == place)
    return best
