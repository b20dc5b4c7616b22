"""Pieces of a search space: parts of a network that depend on few genes, so that each can be tabulated.

`piece_costs.py` tabulates what the pieces cost on a chip, `size_tables.py` how large they are. The pieces of
a network, in the order of its ops:

    stem; for each stage: downsampling, blocks on maps, position embedding, blocks on tokens;
    head.conv; classifier

All blocks of one kind in a stage have the same options, so one piece stands for them: it is tabulated once,
for the first block, and moved to the genes of the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import numpy as np

from objectives.population.gene_table import GeneTable
from search_space.space import Space
from search_space.subnet import BLOCKS, Subnet


class PieceKind(Enum):
    """Part of a network that a piece stands for."""

    STEM = auto()
    DOWNSAMPLING = auto()
    POSITION_EMBEDDING = auto()
    BLOCK = auto()
    HEAD_CONV = auto()
    CLASSIFIER = auto()


@dataclass(frozen=True)
class Position:
    """Where a piece occurs in a network.

    Attributes:
        genes: Names of the genes that decide the piece there, in the order of `Piece.genes`.
        exists: Table of truth values: which networks have the piece there; None for all networks.
    """

    genes: tuple[str, ...]
    exists: GeneTable | None = None


@dataclass(frozen=True)
class Piece:
    """Part of a network as a function of a few genes.

    Attributes:
        kind: The part that it is.
        stage: Index of its stage, from 0; None outside the stages.
        step_names: How the names of its workload steps begin.
        genes: Names of the genes that decide it, in the order of the space.
        fixed: Values of other genes that make a network have the piece.
        positions: Where networks of the space have it; default: once, in every network.
        block: Kind of block, of `search_space.subnet.BLOCKS`; None for other pieces.
    """

    kind: PieceKind
    stage: int | None
    step_names: tuple[str, ...]
    genes: tuple[str, ...]
    fixed: Mapping[str, int] = field(default_factory=dict)
    positions: tuple[Position, ...] = ()
    block: str | None = None


class SpacePieces:
    """All pieces of one search space.

    Args:
        space: The search space.

    Attributes:
        stem: The stem.
        downsampling: Down-sampling step of each stage.
        blocks: Position embeddings and blocks, stage by stage; a stage without them has none.
        head_conv: The convolution of the head.
        classifier: Pooling and the linear classifier.
        is_empty: For each stage a table of truth values: whether it has no blocks.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._genes = {gene.name: (index, gene) for index, gene in enumerate(space.genes)}
        stages = range(len(space.stages))
        last_width = f"stage{len(space.stages)}.width"
        self.stem = Piece(PieceKind.STEM, None, ("stem",), ("resolution", "stem.width"))
        self.downsampling = tuple(map(self._downsampling, stages))
        self.blocks = tuple(piece for stage in stages for piece in self._blocks(stage))
        self.head_conv = Piece(PieceKind.HEAD_CONV, None, ("head.conv",), ("resolution", last_width))
        self.classifier = Piece(PieceKind.CLASSIFIER, None, ("head.pool", "head.classifier"), ("resolution",))
        self.is_empty = [self._is_empty(stage) for stage in stages]

    def networks(self, piece: Piece) -> list[Subnet]:
        """One network with `piece` for every combination of the options of its genes, in row-major order."""
        return [self._network(piece, choice) for choice in np.ndindex(*self.cardinalities(piece))]

    def network(self, piece: Piece, row: int) -> Subnet:
        """The network at index `row` of `networks(piece)`."""
        return self._network(piece, np.unravel_index(row, self.cardinalities(piece)))

    def _network(self, piece: Piece, choice: Sequence[Any]) -> Subnet:
        genotype = [0] * len(self._genes)
        for name, value in (*piece.fixed.items(), *zip(piece.genes, choice, strict=True)):
            genotype[self._genes[name][0]] = int(value)
        return self.space.decode(genotype)

    def table(self, piece: Piece, values: Sequence[np.ndarray[Any, Any]]) -> GeneTable:
        """The values of `networks(piece)`, each of the same shape, as a function of the genes of `piece`."""
        stacked = np.stack(values).reshape(*self.cardinalities(piece), *values[0].shape)
        return GeneTable(self.indices(piece.genes), stacked)

    def at_positions(self, piece: Piece, table: GeneTable) -> Iterator[GeneTable]:
        """The `table` of a piece at each of its positions; zero for networks without the piece there."""
        if not piece.positions:
            yield table
        for position in piece.positions:
            moved = table.moved(self.indices(position.genes))
            yield moved if position.exists is None else moved.where(position.exists)

    def options(self, gene: str) -> list[int]:
        """Options of a gene whose options are numbers."""
        return [int(option) for option in self._genes[gene][1].options]

    def width_before(self, stage: int) -> str:
        """Name of the gene that decides the input channels of a stage, or of the head after the last."""
        return "stem.width" if stage == 0 else f"stage{stage}.width"

    def _downsampling(self, stage: int) -> Piece:
        name = f"stage{stage + 1}.downsampling"
        genes = ("resolution", self.width_before(stage), f"stage{stage + 1}.width", *self._beginning(name))
        return Piece(PieceKind.DOWNSAMPLING, stage, (name,), genes)

    def _blocks(self, stage: int) -> Iterator[Piece]:
        prefix = f"stage{stage + 1}"
        map_genes = ("resolution", f"{prefix}.width")
        options = self.space.stages[stage]
        token_depths = tuple(
            f"{prefix}.{kind}_depth"
            for kind in options.kinds
            if BLOCKS[kind].takes_tokens and max(options.depths(kind)) > 0
        )
        for kind in options.kinds:
            depth_gene, depths = f"{prefix}.{kind}_depth", options.depths(kind)
            deepest = {depth_gene: len(depths) - 1}
            if max(depths) == 0:
                continue
            if token_depths and depth_gene == token_depths[0]:
                position = Position(map_genes, self._is_any_deeper(token_depths))
                embedding = (f"{prefix}.position_embedding",)
                yield Piece(
                    PieceKind.POSITION_EMBEDDING, stage, embedding, map_genes, deepest, positions=(position,)
                )
            positions = tuple(
                Position(
                    (*map_genes, *self._beginning(f"{prefix}.{kind}{place}.")),
                    self._is_deeper(depth_gene, place - 1),
                )
                for place in range(1, max(depths) + 1)
            )
            genes = positions[0].genes
            yield Piece(PieceKind.BLOCK, stage, (f"{prefix}.{kind}1.",), genes, deepest, positions, kind)

    def _is_empty(self, stage: int) -> GeneTable:
        genes = tuple(f"stage{stage + 1}.{kind}_depth" for kind in self.space.stages[stage].kinds)
        table = self._is_any_deeper(genes)
        return GeneTable(table.genes, ~table.values)

    def _is_any_deeper(self, depth_genes: Sequence[str]) -> GeneTable:
        """Whether one of the depths exceeds 0."""
        first, *others = (self._depths(gene) for gene in depth_genes)
        total = sum(others, first)
        return GeneTable(total.genes, total.values > 0)

    def _is_deeper(self, depth_gene: str, depth: int) -> GeneTable:
        table = self._depths(depth_gene)
        return GeneTable(table.genes, table.values > depth)

    def _depths(self, depth_gene: str) -> GeneTable:
        return GeneTable(self.indices((depth_gene,)), np.array(self.options(depth_gene)))

    def _beginning(self, prefix: str) -> tuple[str, ...]:
        """Names of all genes that begin with `prefix`, in the order of the space."""
        return tuple(name for name in self._genes if name.startswith(prefix))

    def indices(self, names: Sequence[str]) -> tuple[int, ...]:
        """Positions of genes in the genotype."""
        return tuple(self._genes[name][0] for name in names)

    def cardinalities(self, piece: Piece) -> tuple[int, ...]:
        """Number of options of each gene of `piece`."""
        return tuple(self._genes[name][1].cardinality for name in piece.genes)
