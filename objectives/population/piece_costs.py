"""Costs of all pieces of a search space on a SoC: cycles, energy and weight bytes per macro.

The blocks of a stage begin and end with their map in SRAM, so their costs add up. The down-sampling step of a
stage may read its map from wherever the step before left it, if there are no blocks in between. Its costs are
therefore a matrix over the placements of its input and its output. The stem is part of the first step, and
the head's convolution is one more step.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_splits import channel_options
from objectives.hardware.mapping.placement import FORBIDDEN, hands_over
from objectives.hardware.mapping.segment import Steps, run, segment_costs, split_points
from objectives.hardware.op import Op
from objectives.population.gene_table import GeneTable
from objectives.population.pieces import Piece, SpacePieces
from objectives.workload import Step, ops_of, read_again, workload
from search_space.arrays import Floats
from search_space.files.whole_file import whole_file
from search_space.space import Space

CYCLES, ENERGY_PJ, MACRO_BYTES = 0, 1, 2
"""Indices of the three numbers of a cost; the last is the bytes of weights in one macro."""


@dataclass(frozen=True)
class PieceCosts:
    """Costs of all pieces of a space on a SoC, for m numbers of macros in use.

    Attributes:
        sums: Tables of costs (3, m). Their sum is the cost of everything but the steps.
        steps: Tables of costs (3, m, p, q) of the down-sampling step of each stage, then of the head's
            convolution, for p placements of the input and q of the output. Index 0 of both is SRAM;
            impossible pairs cost `FORBIDDEN`.
        is_empty: For each stage a table of truth values: whether it has no blocks.
    """

    sums: list[GeneTable]
    steps: list[GeneTable]
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
        sums = [
            table for piece in pieces.blocks for table in pieces.at_positions(piece, tabulation.sums(piece))
        ]
        first, *others = pieces.downsampling
        first = replace(first, step_names=(*pieces.stem.step_names, *first.step_names))
        steps = [tabulation.step(first, None, pieces.width_before(1))]
        for stage, piece in enumerate(others, start=1):
            steps.append(tabulation.step(piece, pieces.width_before(stage), pieces.width_before(stage + 1)))
        steps.append(tabulation.step(pieces.head_conv, pieces.width_before(len(space.stages)), None))
        return cls([*sums, tabulation.sums(pieces.classifier)], steps, pieces.is_empty)

    @property
    def hands_over(self) -> bool:
        """Whether a step may read its map from elsewhere than SRAM."""
        return any(table.values.any() for table in self.is_empty) and any(
            max(table.value_shape[2:]) > 1 for table in self.steps
        )

    def columns(self, number: int) -> list[Floats]:
        """One of the three numbers of all costs: an array (rows, m, ...) for each table."""
        tables = (*self.sums, *self.steps)
        return [table.values.reshape(table.rows, *table.value_shape)[:, number] for table in tables]

    def save(self, path: Path) -> None:
        """Writes all tables to one file, whole or not at all."""
        arrays: dict[str, Any] = {}
        for field in fields(self):
            for index, table in enumerate(getattr(self, field.name)):
                arrays[f"{field.name}.{index}.genes"] = np.array(table.genes)
                arrays[f"{field.name}.{index}.values"] = table.values
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

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
        """Costs (3, m) of a piece that begins and ends in SRAM."""
        return self._pieces.table(piece, [self._sum(part) for part in self._parts(piece)])

    def step(self, piece: Piece, input_gene: str | None, output_gene: str | None) -> GeneTable:
        """Costs (3, m, p, q) of a piece whose input and output may lie anywhere.

        Args:
            piece: The piece.
            input_gene: Gene that decides the channels of its input; None where the input is in SRAM.
            output_gene: The same for its output.
        """
        shape = (self._placements(input_gene), self._placements(output_gene))
        return self._pieces.table(piece, [self._matrix(part, shape) for part in self._parts(piece)])

    def _placements(self, width_gene: str | None) -> int:
        """Most placements of a map with this gene's number of channels."""
        if width_gene is None:
            return 1
        return max(
            len(channel_options(_producer(1, channels), self._mapper.soc, self._mapper.name))
            for channels in self._pieces.options(width_gene)
        )

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

    def _sum(self, part: _Part) -> Floats:
        segments = self._mapper.segments(ops_of(part.steps), read_again(part.steps))
        costs = [
            [(point.cycles, point.energy_pj, point.macro_bytes) for point in segment.best]
            for segment in segments
        ]
        total: Floats = np.array(costs).sum(axis=0).T  # (segments, m, 3) -> (3, m)
        return total

    def _matrix(self, part: _Part, shape: tuple[int, int]) -> Floats:
        mapper, ops = self._mapper, ops_of(part.steps)
        criterion, tie_breaker = CRITERIA[mapper.name]
        before = None
        if part.may_begin_anywhere:
            producer = _producer(ops[0].height, ops[0].in_channels)
            if hands_over(producer, ops[0], mapper.soc):
                mapper.learn([producer])
                before = mapper.splits(producer)
        matrix: Floats | None = None
        for start, stop in split_points(ops, frozenset(read_again(part.steps)), mapper.soc):
            splits = [mapper.splits(op) for op in ops[start:stop]]
            steps = Steps.of(segment_costs(splits, mapper.soc, before=before))
            starts = len(before.channels) if before is not None else 1
            sums, _ = run(steps, criterion, tie_breaker, starts=starts)
            segment = np.stack(sums)[..., ::-1, ::-1]  # (3, m, p, q), SRAM first
            matrix = segment if matrix is None else matrix[..., :1] + segment
            before = None
        assert matrix is not None
        matrix = matrix[..., : shape[1]]  # pooling reads the head's map from SRAM only
        padding = [(0, size - have) for size, have in zip(shape, matrix.shape[2:], strict=True)]
        return np.pad(matrix, [(0, 0), (0, 0), *padding], constant_values=FORBIDDEN)


@dataclass(frozen=True)
class _Part:
    """Part of a workload; whether the map that it reads may lie elsewhere than in SRAM."""

    steps: tuple[Step, ...]
    may_begin_anywhere: bool


def _producer(side: int, channels: int) -> Op:
    """An op that makes a map of this shape: where the map may lie depends on nothing else."""
    return Op("conv2d", side, side, channels, channels)
