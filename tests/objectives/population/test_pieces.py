"""Pieces of a space against the workload of its networks: every op belongs to one piece."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.population.gene_table import GeneTable
from objectives.population.pieces import Piece, PieceKind, SpacePieces
from objectives.workload import workload
from search_space.space import load_space

SPACE = load_space("cifar32")
PIECES = SpacePieces(SPACE)
ALL = (PIECES.stem, *PIECES.downsampling, *PIECES.blocks, PIECES.head_conv, PIECES.classifier)

genotypes = st.tuples(*(st.integers(0, gene.cardinality - 1) for gene in SPACE.genes))


def op_counts(piece: Piece) -> GeneTable:
    """Number and MACs of the ops of a piece."""
    values = []
    for network in PIECES.networks(piece):
        steps = [step for step in workload(network) if step.name.startswith(piece.step_names)]
        values.append(np.array([len(steps), sum(step.op.macs for step in steps)]))
    return PIECES.table(piece, values)


TABLES = [table for piece in ALL for table in PIECES.at_positions(piece, op_counts(piece))]


def at(table: GeneTable, genotype: tuple[int, ...]) -> np.ndarray:
    value: np.ndarray = table.values[tuple(genotype[gene] for gene in table.genes)]
    return value


@given(genotype=genotypes)
def test_pieces_at_their_positions_are_the_whole_workload(genotype: tuple[int, ...]) -> None:
    steps = workload(SPACE.decode(genotype))
    total = np.sum([at(table, genotype) for table in TABLES], axis=0)
    assert total.tolist() == [len(steps), sum(step.op.macs for step in steps)]


@given(genotype=genotypes)
def test_a_stage_is_empty_where_it_has_no_blocks(genotype: tuple[int, ...]) -> None:
    stages = SPACE.decode(genotype).stages
    has_none = [not stage.conv_blocks and not stage.vit_blocks for stage in stages]
    assert [bool(at(table, genotype)) for table in PIECES.is_empty] == has_none


def test_a_block_depends_on_map_and_its_own_options() -> None:
    block = next(piece for piece in PIECES.blocks if piece.kind is PieceKind.BLOCK)
    stage = f"stage{block.stage + 1}" if block.stage is not None else ""
    assert block.genes == (
        "resolution",
        f"{stage}.width",
        f"{stage}.conv1.kernel",
        f"{stage}.conv1.expansion",
    )
    assert [position.genes[2] for position in block.positions] == [
        f"{stage}.conv{number}.kernel" for number in range(1, len(block.positions) + 1)
    ]


@pytest.mark.parametrize("piece", ALL, ids=lambda piece: piece.step_names[0])
def test_genes_stand_in_the_order_of_the_space(piece: Piece) -> None:
    order = [gene.name for gene in SPACE.genes]
    places = [order.index(name) for name in piece.genes]
    assert all(before < after for before, after in pairwise(places))
    assert len(PIECES.networks(piece)) == np.prod([SPACE.genes[place].cardinality for place in places])
