"""What every choice of a search space costs on a SoC.

A network falls into pieces. The blocks of a stage begin and end with their map in SRAM, so their costs add
up. The down-sampling step of a stage may take its map from wherever the step before left it, if there are no
blocks in between; so its costs are a matrix over the placements of its input and of its output. The stem
belongs to the first step, and the head's convolution is one more step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from objectives.hardware.mapping.mapper import CRITERIA, Mapper
from objectives.hardware.mapping.op_splits import channel_options
from objectives.hardware.mapping.placement import FORBIDDEN, hands_over
from objectives.hardware.mapping.segment import Steps, run, segment_costs, split_points
from objectives.hardware.op import FloatArray, Op
from objectives.population.gene_table import GeneTable
from objectives.workload import Step, ops_of, read_again, workload
from search_space.files.whole_file import whole_file
from search_space.space import Space

CYCLES, ENERGY_PJ, MACRO_BYTES = 0, 1, 2
"""The three numbers of a cost; the last are the bytes of weights in one macro."""


@dataclass(frozen=True)
class PieceCosts:
    """Costs of all pieces of a space on a SoC, for m numbers of macros in use.

    Attributes:
        sums: Tables of costs (3, m), the sum of which is the cost of all that is no step.
        steps: For each stage its down-sampling step, then the head's convolution: tables of costs
            (3, m, p, q) for p placements of the input and q of the output, the first of each SRAM;
            `FORBIDDEN` where that cannot be.
        is_empty: For each stage a table of truth values: whether it has no blocks.
    """

    sums: list[GeneTable]
    steps: list[GeneTable]
    is_empty: list[GeneTable]

    @classmethod
    def of(cls, space: Space, mapper: Mapper) -> Self:
        """Computes them.

        Args:
            space: The choices.
            mapper: Finds the mapping of each piece; any but `edp`, which no sum of pieces minimises.
        """
        pieces = _Pieces(space, mapper)
        numbers = range(1, len(space.stages) + 1)
        return cls(
            sums=[*(table for number in numbers for table in pieces.blocks(number)), pieces.classifier()],
            steps=[*(pieces.downsampling(number) for number in numbers), pieces.head()],
            is_empty=[pieces.is_empty(number) for number in numbers],
        )

    @property
    def hands_over(self) -> bool:
        """Whether a step may get its map from elsewhere than SRAM."""
        return any(table.values.any() for table in self.is_empty) and any(
            max(table.value_shape[2:]) > 1 for table in self.steps
        )

    def columns(self, number: int) -> list[FloatArray]:
        """One number of all costs: for each table an array (rows, m, ...), `FORBIDDEN` where it cannot be."""
        tables = (*self.sums, *self.steps)
        return [table.values.reshape(table.rows, *table.value_shape)[:, number] for table in tables]

    def save(self, path: Path) -> None:
        """Writes all tables to one file."""
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
        """Reads what `save` wrote.

        Raises:
            OSError, ValueError, KeyError, BadZipFile: The file is missing or damaged.
        """
        found: dict[str, list[GeneTable]] = {field.name: [] for field in fields(cls)}
        with np.load(path, allow_pickle=False) as arrays:
            for name, index in (key.split(".")[:2] for key in arrays.files if key.endswith(".genes")):
                genes = tuple(int(gene) for gene in arrays[f"{name}.{index}.genes"])
                found[name].append(GeneTable(genes, arrays[f"{name}.{index}.values"]))
        return cls(**found)


class _Pieces:
    """Costs pieces of the networks of one space."""

    def __init__(self, space: Space, mapper: Mapper) -> None:
        self._space = space
        self._mapper = mapper
        self._genes = {gene.name: (index, gene) for index, gene in enumerate(space.genes)}

    def blocks(self, number: int) -> Iterator[GeneTable]:
        """The blocks of stage `number`, each as a function of its genes and the depth."""
        stage = f"stage{number}"
        for kind, choices in (("conv", ("kernel", "expansion")), ("vit", ("heads", "mlp_ratio"))):
            depths = self._options(f"{stage}.{kind}_depth")
            if max(depths) == 0:
                continue
            deepest = {f"{stage}.{kind}_depth": len(depths) - 1}
            map_genes = ("resolution", f"{stage}.width")
            if kind == "vit":
                embedding = self._sums(map_genes, (f"{stage}.position_embedding",), deepest)
                yield embedding.where(self._is_deeper(f"{stage}.{kind}_depth", 0))
            own = [
                (*map_genes, *(f"{stage}.{kind}{place}.{choice}" for choice in choices))
                for place in range(1, max(depths) + 1)
            ]
            block = self._sums(own[0], (f"{stage}.{kind}1.",), deepest)
            for place, genes in enumerate(own):
                moved = block.moved([self._genes[name][0] for name in genes])
                yield moved.where(self._is_deeper(f"{stage}.{kind}_depth", place))

    def classifier(self) -> GeneTable:
        """Pooling and the last linear layer."""
        return self._sums(("resolution",), ("head.pool", "head.classifier"), {})

    def downsampling(self, number: int) -> GeneTable:
        """The step of stage `number`, with the first the stem."""
        stage, before = f"stage{number}", self._map_before(number)
        own = (f"{stage}.width", *(f"{stage}.downsampling{part}" for part in ("", ".kernel", ".expansion")))
        prefixes = (f"{stage}.downsampling",) if number > 1 else ("stem", f"{stage}.downsampling")
        shape = (1 if number == 1 else self._places(before), self._places(f"{stage}.width"))
        return self._matrices(("resolution", before, *own), prefixes, shape)

    def head(self) -> GeneTable:
        """The convolution before pooling."""
        before = self._map_before(len(self._space.stages) + 1)
        return self._matrices(("resolution", before), ("head.conv",), (self._places(before), 1))

    def is_empty(self, number: int) -> GeneTable:
        """Whether stage `number` has no blocks."""
        conv, vit = (self._depth(f"stage{number}.{kind}_depth") for kind in ("conv", "vit"))
        return GeneTable((*conv.genes, *vit.genes), (conv.values[:, None] + vit.values[None, :]) == 0)

    def _map_before(self, number: int) -> str:
        """The gene that decides how many channels the input of step `number` has."""
        return "stem.width" if number == 1 else f"stage{number - 1}.width"

    def _options(self, name: str) -> list[int]:
        return [int(option) for option in self._genes[name][1].options]

    def _depth(self, name: str) -> GeneTable:
        return GeneTable((self._genes[name][0],), np.array(self._options(name)))

    def _is_deeper(self, name: str, depth: int) -> GeneTable:
        table = self._depth(name)
        return GeneTable(table.genes, table.values > depth)

    def _places(self, width: str) -> int:
        """Most placements of a map with this gene's number of channels."""
        return max(
            len(channel_options(_producer(1, channels), self._mapper.soc, self._mapper.name))
            for channels in self._options(width)
        )

    def _sums(self, genes: tuple[str, ...], prefixes: tuple[str, ...], fixed: dict[str, int]) -> GeneTable:
        """Costs (3, m) of a piece that begins and ends in SRAM."""
        pieces = self._pieces(genes, prefixes, fixed)
        return self._tabled(genes, [self._sum(piece) for piece in pieces])

    def _sum(self, piece: _Piece) -> FloatArray:
        segments = self._mapper.segments(ops_of(piece.steps), read_again(piece.steps))
        points = [[(one.cycles, one.energy_pj, one.macro_bytes) for one in part.best] for part in segments]
        cost: FloatArray = np.array(points).sum(axis=0).T  # (segments, m, 3) -> (3, m)
        return cost

    def _matrices(
        self, genes: tuple[str, ...], prefixes: tuple[str, ...], places: tuple[int, int]
    ) -> GeneTable:
        """Costs (3, m, p, q) of a piece whose input and output may lie anywhere."""
        pieces = self._pieces(genes, prefixes, {})
        return self._tabled(genes, [self._matrix(piece, places) for piece in pieces])

    def _matrix(self, piece: _Piece, places: tuple[int, int]) -> FloatArray:
        mapper, ops = self._mapper, ops_of(piece.steps)
        weights, then = CRITERIA[mapper.name]
        before = None
        if piece.may_begin_anywhere:
            producer = _producer(ops[0].height, ops[0].in_channels)
            if hands_over(producer, ops[0], mapper.soc):
                mapper.learn([producer])
                before = mapper.table(producer)
        matrix: FloatArray | None = None
        for start, stop in split_points(ops, frozenset(read_again(piece.steps)), mapper.soc):
            tables = [mapper.table(op) for op in ops[start:stop]]
            steps = Steps.of(segment_costs(tables, mapper.soc, before=before))
            sums, _ = run(steps, weights, then, starts=len(before.channels) if before is not None else 1)
            part = np.stack(sums)[..., ::-1, ::-1]  # (3, m, p, q), SRAM first
            matrix = part if matrix is None else matrix[..., :1] + part
            before = None
        assert matrix is not None
        matrix = matrix[..., : places[1]]  # pooling reads the head's map from SRAM only
        padding = [(0, size - have) for size, have in zip(places, matrix.shape[2:], strict=True)]
        return np.pad(matrix, [(0, 0), (0, 0), *padding], constant_values=FORBIDDEN)

    def _pieces(
        self, genes: tuple[str, ...], prefixes: tuple[str, ...], fixed: dict[str, int]
    ) -> list[_Piece]:
        """The piece for every combination of `genes`, all its ops known to the mapper."""
        pieces = []
        for index in np.ndindex(*(self._genes[name][1].cardinality for name in genes)):
            genotype = [0] * len(self._genes)
            for name, value in (*fixed.items(), *zip(genes, index, strict=True)):
                genotype[self._genes[name][0]] = value
            steps = workload(self._space.decode(genotype))
            places = [place for place, step in enumerate(steps) if step.name.startswith(prefixes)]
            own = tuple(steps[place] for place in places)
            first = places[0]
            pieces.append(_Piece(own, first > 0 and not steps[first - 1].is_read_again))
        self._mapper.learn(op for piece in pieces for op in ops_of(piece.steps))
        return pieces

    def _tabled(self, genes: tuple[str, ...], values: list[FloatArray]) -> GeneTable:
        entries = [self._genes[name] for name in genes]
        sizes = [gene.cardinality for _, gene in entries]
        positions = tuple(position for position, _ in entries)
        return GeneTable(positions, np.stack(values).reshape(*sizes, *values[0].shape))


@dataclass(frozen=True)
class _Piece:
    """Part of a workload; whether the map that it reads may lie elsewhere than in SRAM."""

    steps: tuple[Step, ...]
    may_begin_anywhere: bool


def _producer(side: int, channels: int) -> Op:
    """An op that makes a map of this shape: where the map may lie depends on nothing else."""
    return Op("conv2d", side, side, channels, channels)
