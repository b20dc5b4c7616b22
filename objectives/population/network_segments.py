"""Segments of the networks of a population, as numbers of a catalogue.

A network is a sequence of pieces (`pieces.py`). Only down-sampling steps may end without an op of the NPU, so
only runs of steps share a segment with what follows. Such a run is cut into segments together with the first
block behind it, every other piece by itself; each distinct one once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from objectives.hardware.mapping.capacity_mapping import SegmentCatalogue
from objectives.hardware.mapping.segment_solver import op_contexts, split_points
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from objectives.population.gene_table import Columns, GeneColumns, GeneTable
from objectives.population.pieces import Piece, SpacePieces
from objectives.workload import workload
from search_space.arrays import Booleans, Genotypes, Integers
from search_space.space import Space

_ABSENT = -1


@dataclass(frozen=True)
class _Part:
    """Ops of a piece.

    Attributes:
        ops: In order.
        are_read_again: For each op whether its output is read again later.
        reads_again: Whether the piece reads its input again later.
    """

    ops: tuple[Op, ...]
    are_read_again: tuple[bool, ...]
    reads_again: bool


class _PlacedPiece:
    """A piece at one place of the networks of a space.

    Args:
        pieces: The pieces of the space.
        piece: The piece.
        genes: Names of the genes that decide it there.
        exists: Whether a network has it; None for all networks.
    """

    def __init__(
        self, pieces: SpacePieces, piece: Piece, genes: Sequence[str], exists: GeneTable | None = None
    ) -> None:
        self._pieces, self._piece = pieces, piece
        self._genes = pieces.indices(genes)
        self._exists = exists

    def rows(self, columns: Columns, genes: GeneColumns) -> Integers:
        """Row of `SpacePieces.networks` for each network (n,), or `_ABSENT`."""
        rows = genes.rows(columns, self._genes).astype(np.int64)
        if self._exists is not None:
            rows[~self._exists.values.reshape(-1)[genes.rows(columns, self._exists.genes)]] = _ABSENT
        return rows

    def part(self, row: int) -> _Part:
        """The piece of one row."""
        steps = workload(self._pieces.network(self._piece, row))
        indices = [index for index, step in enumerate(steps) if step.name.startswith(self._piece.step_names)]
        return _Part(
            tuple(steps[index].op for index in indices),
            tuple(steps[index].is_read_again for index in indices),
            indices[0] > 0 and steps[indices[0] - 1].is_read_again,
        )


class NetworkSegments:
    """Segments of networks of one space.

    Args:
        space: The search space of the genotypes.
        soc: The chip, which decides where networks are cut.
        catalogue: Where to number the segments.
    """

    def __init__(self, space: Space, soc: SoC, catalogue: SegmentCatalogue) -> None:
        self._soc = soc
        self._catalogue = catalogue
        self._columns = GeneColumns(space)
        pieces = SpacePieces(space)
        self._is_empty = pieces.is_empty
        first, *others = pieces.downsampling
        first = replace(first, step_names=(*pieces.stem.step_names, *first.step_names))
        head = replace(pieces.head_conv, step_names=("head.conv", "head.pool"))
        classifier = replace(pieces.classifier, step_names=("head.classifier",))
        self._steps = [_PlacedPiece(pieces, piece, piece.genes) for piece in (first, *others, head)]
        self._blocks: list[list[_PlacedPiece]] = [[] for _ in space.stages]
        for piece in pieces.blocks:
            assert piece.stage is not None
            self._blocks[piece.stage] += [
                _PlacedPiece(pieces, piece, position.genes, position.exists) for position in piece.positions
            ]
        self._classifier = _PlacedPiece(pieces, classifier, classifier.genes)
        self._parts: list[_Part] = []
        self._number_by_part: dict[_Part, int] = {}
        self._number_by_row: dict[_PlacedPiece, dict[int, int]] = {}
        self._row_by_run: dict[tuple[int, ...], int] = {}
        self._runs: list[tuple[int, ...]] = [()]

    def __call__(self, genotypes: Genotypes) -> Integers:
        """Numbers of the segments of each network in order (n, s), with 0 for none.

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        columns = self._columns(genotypes)
        empty = [
            table.values.reshape(-1)[self._columns.rows(columns, table.genes)] for table in self._is_empty
        ]
        steps = [self._numbers(piece, columns) for piece in self._steps]
        blocks = [[self._numbers(piece, columns) for piece in stage] for stage in self._blocks]
        firsts = [_taken_first(stage, len(genotypes)) for stage in blocks]
        rows = []
        for start in range(len(steps)):
            is_start = ~empty[start - 1] if start else np.ones(len(genotypes), dtype=bool)
            rows.append(self._run_rows(_runs_from(start, is_start, steps, firsts, empty)))
            if start < len(blocks):
                rows += [self._run_rows(numbers[:, None]) for numbers in blocks[start]]
        rows.append(self._run_rows(self._numbers(self._classifier, columns)[:, None]))
        table = self._run_table()
        return np.concatenate([table[column] for column in rows], axis=1)

    def _numbers(self, piece: _PlacedPiece, columns: Columns) -> Integers:
        """Number of the part at `piece` of each network (n,), or `_ABSENT`."""
        rows = piece.rows(columns, self._columns)
        known = self._number_by_row.setdefault(piece, {_ABSENT: _ABSENT})
        distinct, inverse = np.unique(rows, return_inverse=True)
        for row in distinct.tolist():
            if row not in known:
                part = piece.part(row)
                number = self._number_by_part.setdefault(part, len(self._parts))
                if number == len(self._parts):
                    self._parts.append(part)
                known[row] = number
        numbers: Integers = np.array([known[row] for row in distinct.tolist()], dtype=np.int64)[inverse]
        return numbers

    def _run_rows(self, runs: Integers) -> Integers:
        """Row of each run of parts (n, k), with `_ABSENT` for none, in `_run_table` (n,)."""
        distinct, inverse = _distinct_rows(runs)
        rows = []
        for numbers in distinct.tolist():
            run = tuple(number for number in numbers if number != _ABSENT)
            if not run:
                rows.append(0)
                continue
            if run not in self._row_by_run:
                self._row_by_run[run] = len(self._runs)
                self._runs.append(self._cut([self._parts[number] for number in run]))
            rows.append(self._row_by_run[run])
        result: Integers = np.array(rows, dtype=np.int64)[inverse]
        return result

    def _run_table(self) -> Integers:
        """Segments of each run, padded with 0."""
        table = np.zeros((len(self._runs), max(map(len, self._runs))), dtype=np.int64)
        for row, run in zip(table, self._runs, strict=True):
            row[: len(run)] = run
        return table

    def _cut(self, parts: Sequence[_Part]) -> tuple[int, ...]:
        """Numbers of the segments of parts that follow one another."""
        ops = tuple(op for part in parts for op in part.ops)
        again: list[bool] = []
        for part in parts:
            again[-1:] = [part.reads_again] if again else []
            again += part.are_read_again
        read_again = frozenset(index for index, is_read in enumerate(again) if is_read)
        return tuple(
            self._catalogue.number(tuple(op_contexts(ops[start:stop], stays)))
            for start, stop, stays in split_points(ops, read_again, self._soc)
        )


def _taken_first(numbers: Sequence[Integers], count: int) -> Integers:
    """The first part of each network (n,), taken out of `numbers`; `_ABSENT` where there is none."""
    first = np.full(count, _ABSENT)
    for column in numbers:
        is_first = (first == _ABSENT) & (column != _ABSENT)
        first[is_first] = column[is_first]
        column[is_first] = _ABSENT
    return first


def _runs_from(
    start: int,
    is_start: Booleans,
    steps: Sequence[Integers],
    firsts: Sequence[Integers],
    empty: Sequence[Booleans],
) -> Integers:
    """Parts of the run of steps that begins with step `start`, and of the block behind it (n, steps + 1).

    Args:
        start: Index of the step.
        is_start: Whether a run of the network begins there (n,).
        steps: Numbers of the parts of each step, the last being the head's.
        firsts: Numbers of the first blocks of each stage.
        empty: Whether each stage is empty.
    """
    runs = np.full((len(is_start), len(steps) + 1 - start), _ABSENT)
    goes_on = is_start
    for end in range(start, len(steps)):
        runs[goes_on, end - start] = steps[end][goes_on]
        if end < len(firsts):
            is_end = goes_on & ~empty[end]
            runs[is_end, -1] = firsts[end][is_end]
            goes_on = goes_on & empty[end]
    return runs


def _distinct_rows(rows: Integers) -> tuple[Integers, Integers]:
    """Distinct rows and for each row its index among them; quicker than `numpy.unique` along an axis."""
    if rows.shape[1] == 1:
        values, inverse = np.unique(rows[:, 0], return_inverse=True)
        return values[:, None], inverse
    index_by_row: dict[bytes, int] = {}
    keys = np.ascontiguousarray(rows)
    inverse = np.array([index_by_row.setdefault(key.tobytes(), len(index_by_row)) for key in keys])
    first = np.unique(inverse, return_index=True)[1] if len(rows) else np.zeros(0, dtype=np.int64)
    return rows[first], inverse.astype(np.int64)
