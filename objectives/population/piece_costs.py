"""Costs of all pieces of a search space on a SoC: cycles, energy and weight bytes in the macros.

Blocks begin and end with their map in SRAM, and end with an op of the NPU, so their costs add up. Only the
down-sampling step of a stage may end elsewhere: with a map at the macros, which the next step may use if
there are no blocks in between, or with work that the first block has to hand over. Its costs are therefore
a matrix over the placements of its input and its output. The stem is part of the first step, and the head's
convolution is one more step.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np

from objectives.hardware.mapping.device_choice import (
    ENERGY,
    lexicographic,
)
from objectives.hardware.mapping.hand_over import IN_SRAM
from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_steps import OpSteps
from objectives.hardware.mapping.placement import FORBIDDEN, hands_over
from objectives.hardware.mapping.segment_solver import (
    Steps,
    op_contexts,
    run,
    split_points,
)
from objectives.hardware.mapping.split_costs import channel_options
from objectives.hardware.op import Op
from objectives.population.gene_table import GeneTable
from objectives.population.pieces import Piece, SpacePieces
from objectives.workload import Step, ops_of, read_again, workload
from search_space.arrays import Floats
from search_space.files.cache_folder import make_private, private_file, refuse_foreign
from search_space.files.regular_file import file_problem
from search_space.files.whole_file import whole_file
from search_space.space import Space

CYCLES, ENERGY_PJ, WEIGHT_BYTES = 0, 1, 2
"""Indices of the three numbers of a cost; the last is the bytes of weights in all macros together."""
DIGEST_BYTES = 32
"""Length of SHA-256, which stands before the tables in their file."""


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
        """Costs of all pieces under one mapping; see `of_each`."""
        (costs,) = cls.of_each(space, [mapper])
        return costs

    @classmethod
    def of_each(cls, space: Space, mappers: Sequence[Mapper]) -> list[Self]:
        """Computes the costs of all pieces under several mappings at once, which takes little more than one.

        Args:
            space: The search space.
            mappers: Find the mapping of each piece; any but `edp`, which no sum over pieces minimises.
                Several must be of one chip and NPU model, and minimise latency or energy.
        """
        pieces = SpacePieces(space)
        tabulation = _Tabulation(pieces, mappers)
        sums: list[list[GeneTable]] = [[] for _ in mappers]
        begins: list[dict[int, list[tuple[Piece, GeneTable]]]] = [
            {stage: [] for stage in range(len(space.stages))} for _ in mappers
        ]
        for piece in pieces.blocks:
            for own_sums, own_begins, table in zip(sums, begins, tabulation.by_beginning(piece), strict=True):
                own = GeneTable(table.genes, table.values[..., 0])
                own_sums += pieces.at_positions(piece, own)
                assert piece.stage is not None
                more = np.where(table.values < FORBIDDEN, table.values - own.values[..., None], FORBIDDEN)
                own_begins[piece.stage].append((piece, GeneTable(table.genes, more)))
        first, *others = pieces.downsampling
        first = replace(first, step_names=(*pieces.stem.step_names, *first.step_names))
        steps = [tabulation.step(first, None, pieces.width_before(1))]
        for stage, piece in enumerate(others, start=1):
            steps.append(tabulation.step(piece, pieces.width_before(stage), pieces.width_before(stage + 1)))
        head = replace(pieces.head_conv, step_names=("head.conv", "head.pool"))
        steps.append(tabulation.step(head, pieces.width_before(len(space.stages)), None))
        classifier = replace(pieces.classifier, step_names=("head.classifier",))
        return [
            cls(
                [*own_sums, GeneTable(last.genes, last.values[..., 0])],
                list(own_steps),
                [
                    _of_first_block(pieces, own_begins[stage], own_steps[stage])
                    for stage in range(len(space.stages))
                ],
                pieces.is_empty,
            )
            for own_sums, own_begins, own_steps, last in zip(
                sums, begins, zip(*steps, strict=True), tabulation.by_beginning(classifier), strict=True
            )
        ]

    @property
    def has_one_ending(self) -> bool:
        """Whether every step ends in SRAM with the NPU at work, as on chips without macros."""
        return all(float(table.values[..., 1:].min(initial=FORBIDDEN)) >= FORBIDDEN for table in self.steps)

    def columns(self, number: int) -> list[Floats]:
        """One of the three numbers of all costs: an array (rows, m, ...) for each table."""
        tables = (*self.sums, *self.steps, *self.begins)
        return [table.values.reshape(table.rows, *table.value_shape)[:, number] for table in tables]

    def save(self, path: Path) -> None:
        """Writes all tables to one file behind their digest, whole or not at all."""
        arrays: dict[str, Any] = {}
        for field in fields(self):
            for index, table in enumerate(getattr(self, field.name)):
                arrays[f"{field.name}.{index}.genes"] = np.array(table.genes)
                arrays[f"{field.name}.{index}.values"] = table.values
        buffer = BytesIO()
        np.savez(buffer, **arrays)
        make_private(path.parent)
        with whole_file(path) as temporary:
            temporary.write_bytes(sha256(buffer.getbuffer()).digest() + buffer.getvalue())
        private_file(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the tables that `save` wrote.

        Raises:
            CacheError: The file or its folder belongs to another user.
            OSError: There is no such file.
            ValueError: The file is damaged.
        """
        if problem := file_problem(path):  # Reading a FIFO would wait for ever.
            raise FileNotFoundError(errno.ENOENT, problem, str(path))
        refuse_foreign(path.parent)
        refuse_foreign(path)
        content = memoryview(path.read_bytes())
        digest, archive = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if sha256(archive).digest() != digest:  # The checksums of a zip archive cover only its members.
            raise ValueError(f"{path} differs from its digest")
        tables: dict[str, list[GeneTable]] = {field.name: [] for field in fields(cls)}
        with np.load(BytesIO(archive), allow_pickle=False) as arrays:
            for name, index in (key.split(".")[:2] for key in arrays.files if key.endswith(".genes")):
                genes = tuple(int(gene) for gene in arrays[f"{name}.{index}.genes"])
                tables[name].append(GeneTable(genes, arrays[f"{name}.{index}.values"]))
        return cls(**tables)


class _Tabulation:
    """Tables of the costs of pieces, one for each mapping.

    Args:
        pieces: The pieces of the space.
        mappers: Find the mapping of each piece.
    """

    def __init__(self, pieces: SpacePieces, mappers: Sequence[Mapper]) -> None:
        self._pieces = pieces
        self._mappers = mappers
        self._mapper = mappers[0]
        self._ops = OpSteps(mappers[0].splits, mappers[0].soc)
        self._segments: dict[_SegmentKey, list[Floats]] = {}

    def by_beginning(self, piece: Piece) -> list[GeneTable]:
        """Costs (3, m, 3) of a piece that begins in SRAM, by the devices at work before: the NPU first."""
        parts = self._matrices([(part, None) for part in self._parts(piece)], (IN_SRAM, None))
        return [
            self._pieces.table(piece, [_cheapest(matrix, mapper) for matrix in matrices])
            for mapper, matrices in zip(self._mappers, zip(*parts, strict=True), strict=True)
        ]

    def step(self, piece: Piece, input_gene: str | None, output_gene: str | None) -> list[GeneTable]:
        """Costs (3, m, p, q) of a piece whose input and output may lie anywhere.

        Args:
            piece: The piece.
            input_gene: Gene that decides the channels of its input; None where the NPU makes the input.
            output_gene: The same for its output.
        """
        shape = (self._placements(input_gene), self._placements(output_gene))
        parts = self._matrices([(part, self._producer(part)) for part in self._parts(piece)], shape)
        return [self._pieces.table(piece, matrices) for matrices in zip(*parts, strict=True)]

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

    def _producer(self, part: _Part) -> Op | None:
        """An op that makes the input of a piece, if that may lie at the macros."""
        first = part.steps[0].op
        producer = _producer(first.height, first.in_channels)
        if not (part.may_begin_anywhere and hands_over(producer, first, self._mapper.soc)):
            return None
        self._mapper.learn([producer])
        return producer

    def _matrices(
        self, parts: Sequence[tuple[_Part, Op | None]], shape: tuple[int, int | None]
    ) -> list[list[Floats]]:
        """Costs (3, m, p, q) of pieces under each mapping.

        Args:
            parts: The pieces, each with the op that makes its input, if that may lie at the macros.
            shape: Numbers p and q, padded to with `FORBIDDEN`; None keeps all outputs.
        """
        is_open = shape[1] is not None and shape[1] > IN_SRAM
        keys = [list(self._segment_keys(part, before, is_open=is_open)) for part, before in parts]
        self._learn(key for segments in keys for key in segments)
        return [self._joined(segments, shape) for segments in keys]

    def _segment_keys(self, part: _Part, before: Op | None, *, is_open: bool) -> Iterator[_SegmentKey]:
        """The segments of a piece, in order.

        Args:
            part: The piece.
            before: Op that makes the input, if that may lie at the macros.
            is_open: Whether the output of the piece may lie at the macros.
        """
        soc, ops = self._mapper.soc, ops_of(part.steps)
        for start, stop, stays in split_points(ops, frozenset(read_again(part.steps)), soc):
            may_stay = is_open and stop == len(ops) and self._mapper.splits(ops[-1]).channels.size > 1
            yield ops[start:stop], (*stays[:-1], may_stay), before if start == 0 else None, start == 0

    def _joined(self, keys: Sequence[_SegmentKey], shape: tuple[int, int | None]) -> list[Floats]:
        """Costs (3, m, p, q) of the segments `keys` of a piece under each mapping."""
        first, *others = (self._segments[key] for key in keys)
        matrices = list(first)
        for segment in others:
            matrices = [matrix[..., :1] + more for matrix, more in zip(matrices, segment, strict=True)]
        rows, columns = shape
        padded = []
        for matrix in matrices:
            cut = matrix[..., :rows, :columns]
            wanted = (*cut.shape[:2], rows, cut.shape[3] if columns is None else columns)
            if cut.shape != wanted:
                whole = np.full(wanted, FORBIDDEN)
                whole[..., : cut.shape[2], : cut.shape[3]] = cut
                cut = whole
            padded.append(cut)
        return padded

    def _learn(self, keys: Iterable[_SegmentKey]) -> None:
        """Costs (3, m, p, q) of segments under each mapping, SRAM first; those of one shape together."""
        groups: dict[tuple[Any, ...], dict[_SegmentKey, Steps]] = {}
        for key in dict.fromkeys(keys):
            if key not in self._segments:
                ops, stays, before, from_anywhere = key
                contexts = op_contexts(ops, stays, before=before)
                steps = self._ops.joined(contexts)
                groups.setdefault((from_anywhere, steps.shape), {})[key] = steps
        for (from_anywhere, _), group in groups.items():
            stacked = Steps.stacked(list(group.values()))
            each = []
            for mapper in self._mappers:
                sums, _ = run(stacked, *CRITERIA[mapper.name], from_anywhere=from_anywhere)
                each.append(np.split(np.stack(sums)[..., ::-1, ::-1], len(group), axis=1))
            self._segments.update(zip(group, map(list, zip(*each, strict=True)), strict=True))


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


_SegmentKey = tuple[tuple[Op, ...], tuple[bool, ...], Op | None, bool]
"""Ops, whether the output of each may stay at the macros, the op that makes the input if that may stay there,
and whether the segment may begin with any placement."""


@dataclass(frozen=True)
class _Part:
    """Part of a workload; whether the map that it reads may lie elsewhere than in SRAM."""

    steps: tuple[Step, ...]
    may_begin_anywhere: bool


def _producer(side: int, channels: int) -> Op:
    """An op that makes a map of this shape: where the map may lie depends on nothing else."""
    return Op("conv2d", side, side, channels, channels)
