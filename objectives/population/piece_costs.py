"""Costs of all pieces of a search space on a SoC: cycles, energy and weight bytes in the macros.

Blocks begin and end with their map in SRAM, and end with an op of the NPU, so their costs add up. Only the
down-sampling step of a stage may end elsewhere: with a map at the macros, which the next step may use if
there are no blocks in between, or with work that the first block has to hand over. Its costs are therefore
a matrix over the placements of its input and its output. The stem is part of the first step, and the head's
convolution is one more step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from objectives.hardware.mapping.hand_over import IN_SRAM
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_splits import channel_options
from objectives.hardware.mapping.placement import FORBIDDEN, hands_over
from objectives.hardware.mapping.segment import ENERGY, Steps, lexicographic, run, segment_costs, split_points
from objectives.hardware.op import Op
from objectives.population.gene_table import GeneTable
from objectives.population.pieces import Piece, SpacePieces
from objectives.workload import Step, ops_of, read_again, workload
from search_space.arrays import Floats
from search_space.files.cache_folder import make_private, private_file
from search_space.files.whole_file import whole_file
from search_space.space import Space

CYCLES, ENERGY_PJ, WEIGHT_BYTES = 0, 1, 2
"""Indices of the three numbers of a cost; the last is the bytes of weights in all macros together."""


@dataclass(frozen=True)
class PieceCosts:
    """Costs of all pieces of a space on a SoC, for m numbers of macros in use.

    Placements are listed with SRAM first: with the NPU, both, or the macros at work last; then those at the
    macros.

    Attributes:
        sums: Tables of costs (3, m). Their sum is the cost of everything but the steps, where the NPU worked
            before.
        steps: Tables of costs (3, m, p, q) of the down-sampling step of each stage, then of the head's
            convolution with the pooling behind it, for p placements of the input and q of the output.
            Impossible pairs cost `FORBIDDEN`.
        begins: For each stage a table (3, m, 3) of what its first block costs more because of the devices
            that worked before.
        is_empty: For each stage a table of truth values: whether it has no blocks.
    """

    sums: list[GeneTable]
    steps: list[GeneTable]
    begins: list[GeneTable]
    is_empty: list[GeneTable]

    @classmethod
    def of(cls, space: Space, mapper: Mapper) -> Self:
        """Computes the costs of all pieces.

        Args:
            space: The search space.
            mapper: Finds the mapping of each piece; any but `edp`, which no sum over pieces minimises.
        """
        pieces = SpacePieces(space)
        tabulation = _Tabulation(pieces, mapper)
        sums: list[GeneTable] = []
        begins: dict[int, list[tuple[Piece, GeneTable]]] = {stage: [] for stage in range(len(space.stages))}
        for piece in pieces.blocks:
            table = tabulation.by_beginning(piece)  # (3, m, 3)
            own = GeneTable(table.genes, table.values[..., 0])
            sums += pieces.at_positions(piece, own)
            assert piece.stage is not None
            more = np.where(table.values < FORBIDDEN, table.values - own.values[..., None], FORBIDDEN)
            begins[piece.stage].append((piece, GeneTable(table.genes, more)))
        first, *others = pieces.downsampling
        first = replace(first, step_names=(*pieces.stem.step_names, *first.step_names))
        steps = [tabulation.step(first, None, pieces.width_before(1))]
        for stage, piece in enumerate(others, start=1):
            steps.append(tabulation.step(piece, pieces.width_before(stage), pieces.width_before(stage + 1)))
        head = replace(pieces.head_conv, step_names=("head.conv", "head.pool"))
        steps.append(tabulation.step(head, pieces.width_before(len(space.stages)), None))
        classifier = replace(pieces.classifier, step_names=("head.classifier",))
        return cls(
            [*sums, tabulation.sums(classifier)],
            steps,
            [_of_first_block(pieces, begins[stage], steps[stage]) for stage in range(len(space.stages))],
            pieces.is_empty,
        )

    @property
    def has_one_ending(self) -> bool:
        """Whether every step ends in SRAM with the NPU at work, as on chips without macros."""
        return all(float(table.values[..., 1:].min(initial=FORBIDDEN)) >= FORBIDDEN for table in self.steps)

    def columns(self, number: int) -> list[Floats]:
        """One of the three numbers of all costs: an array (rows, m, ...) for each table."""
        tables = (*self.sums, *self.steps, *self.begins)
        return [table.values.reshape(table.rows, *table.value_shape)[:, number] for table in tables]

    def save(self, path: Path) -> None:
        """Writes all tables to one file, whole or not at all."""
        arrays: dict[str, Any] = {}
        for field in fields(self):
            for index, table in enumerate(getattr(self, field.name)):
                arrays[f"{field.name}.{index}.genes"] = np.array(table.genes)
                arrays[f"{field.name}.{index}.values"] = table.values
        make_private(path.parent)
        with whole_file(path) as temporary:
            private_file(temporary)
            with temporary.open("wb") as file:
                np.savez(file, **arrays)  # A zip archive, whose checksums `load` compares.

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the tables that `save` wrote.

        Raises:
            OSError, ValueError, KeyError, BadZipFile: The file is missing or damaged.
        """
        tables: dict[str, list[GeneTable]] = {field.name: [] for field in fields(cls)}
        with np.load(path, allow_pickle=False) as arrays:
            for name, index in (key.split(".")[:2] for key in arrays.files if key.endswith(".genes")):
                genes = tuple(int(gene) for gene in arrays[f"{name}.{index}.genes"])
                tables[name].append(GeneTable(genes, arrays[f"{name}.{index}.values"]))
        return cls(**tables)


class _Tabulation:
    """Tables of the costs of pieces under one mapping.

    Args:
        pieces: The pieces of the space.
        mapper: Finds the mapping of each piece.
    """

    def __init__(self, pieces: SpacePieces, mapper: Mapper) -> None:
        self._pieces = pieces
        self._mapper = mapper

    def sums(self, piece: Piece) -> GeneTable:
        """Costs (3, m) of a piece that begins and ends in SRAM, with the NPU at work before."""
        table = self.by_beginning(piece)
        return GeneTable(table.genes, table.values[..., 0])

    def by_beginning(self, piece: Piece) -> GeneTable:
        """Costs (3, m, 3) of a piece that begins in SRAM, by the devices at work before: the NPU first."""
        values = [
            self._matrix(part, (IN_SRAM, None), may_begin_anywhere=False) for part in self._parts(piece)
        ]
        return self._pieces.table(piece, [_cheapest(matrix, self._mapper) for matrix in values])

    def step(self, piece: Piece, input_gene: str | None, output_gene: str | None) -> GeneTable:
        """Costs (3, m, p, q) of a piece whose input and output may lie anywhere.

        Args:
            piece: The piece.
            input_gene: Gene that decides the channels of its input; None where the NPU makes the input.
            output_gene: The same for its output.
        """
        shape = (self._placements(input_gene), self._placements(output_gene))
        values = [self._matrix(part, shape, may_begin_anywhere=True) for part in self._parts(piece)]
        return self._pieces.table(piece, values)

    def _placements(self, width_gene: str | None) -> int:
        """Most placements of a map with this gene's number of channels."""
        if width_gene is None:
            return 1
        splits = max(
            len(channel_options(_producer(1, channels), self._mapper.soc, self._mapper.name))
            for channels in self._pieces.options(width_gene)
        )
        return splits - 1 + IN_SRAM

    def _parts(self, piece: Piece) -> list[_Part]:
        """The piece for every combination of its genes, all its ops known to the mapper."""
        parts = []
        for network in self._pieces.networks(piece):
            steps = workload(network)
            indices = [index for index, step in enumerate(steps) if step.name.startswith(piece.step_names)]
            first = indices[0]
            may_begin_anywhere = first > 0 and not steps[first - 1].is_read_again
            parts.append(_Part(tuple(steps[index] for index in indices), may_begin_anywhere))
        self._mapper.learn(op for part in parts for op in ops_of(part.steps))
        return parts

    def _matrix(self, part: _Part, shape: tuple[int, int | None], *, may_begin_anywhere: bool) -> Floats:
        """Costs (3, m, p, q) of a piece, padded with `FORBIDDEN` to p and, unless None, q of `shape`."""
        mapper, ops = self._mapper, ops_of(part.steps)
        criterion, tie_breaker = CRITERIA[mapper.name]
        before = None
        if may_begin_anywhere and part.may_begin_anywhere:
            producer = _producer(ops[0].height, ops[0].in_channels)
            if hands_over(producer, ops[0], mapper.soc):
                mapper.learn([producer])
                before = mapper.splits(producer)
        matrix: Floats | None = None
        for start, stop, stays in split_points(ops, frozenset(read_again(part.steps)), mapper.soc):
            is_open = stop == len(ops) and shape[1] is not None and shape[1] > IN_SRAM
            stays = (*stays[:-1], is_open and mapper.splits(ops[-1]).channels.size > 1)
            splits = [mapper.splits(op) for op in ops[start:stop]]
            steps = Steps.of(segment_costs(splits, mapper.soc, stays, before=before), splits, stays)
            sums, _ = run(steps, criterion, tie_breaker, from_anywhere=matrix is None)
            segment = np.stack(sums)[..., ::-1, ::-1]  # (3, m, p, q), SRAM first
            matrix = segment if matrix is None else matrix[..., :1] + segment
            before = None
        assert matrix is not None
        rows, columns = shape
        matrix = matrix[..., :rows, :columns]
        wanted = (rows, matrix.shape[3] if columns is None else columns)
        padding = [(0, size - have) for size, have in zip(wanted, matrix.shape[2:], strict=True)]
        return np.pad(matrix, [(0, 0), (0, 0), *padding], constant_values=FORBIDDEN)


def _cheapest(matrix: Floats, mapper: Mapper) -> Floats:
    """The best of all placements of the output: matrix (3, m, p, q) to (3, m, p)."""
    number, choices, placements, _ = matrix.shape
    rows = [part.reshape(choices * placements, -1) for part in matrix]
    order = (ENERGY_PJ, CYCLES) if CRITERIA[mapper.name][0] == ENERGY else (CYCLES, ENERGY_PJ)
    index = lexicographic([rows[order[0]], rows[order[1]], rows[WEIGHT_BYTES]])
    best = [np.take_along_axis(row, index[:, None], axis=1) for row in rows]
    return np.stack(best).reshape(number, choices, placements)


def _of_first_block(pieces: SpacePieces, blocks: list[tuple[Piece, GeneTable]], step: GeneTable) -> GeneTable:
    """What the first block of a stage costs more because of the devices that worked before: (3, m, 3).

    Args:
        pieces: The pieces of the space.
        blocks: Pieces of the stage in the order of its ops, with these costs.
        step: Costs of the stage's down-sampling step, for the shape.
    """
    total = GeneTable((), np.zeros((*step.value_shape[:2], IN_SRAM)))
    earlier: list[GeneTable] = []
    for piece, table in blocks:
        position = piece.positions[0]
        moved = table.moved(pieces.indices(position.genes))
        exists = position.exists
        if exists is not None:
            moved = moved.where(exists)
        for other in earlier:
            moved = moved.where(GeneTable(other.genes, ~other.values))
        total = total + moved
        if exists is not None:
            earlier.append(exists)
    return total


@dataclass(frozen=True)
class _Part:
    """Part of a workload; whether the map that it reads may lie elsewhere than in SRAM."""

    steps: tuple[Step, ...]
    may_begin_anywhere: bool


def _producer(side: int, channels: int) -> Op:
    """An op that makes a map of this shape: where the map may lie depends on nothing else."""
    return Op("conv2d", side, side, channels, channels)
