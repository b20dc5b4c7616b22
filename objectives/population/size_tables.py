"""Sizes of whole populations, looked up in tables of the pieces of a search space.

MACs, parameters and numbers of blocks of a network are the sums over its pieces; its peak activation memory
is the maximum over its pieces. All counts are integers below 2^53, so sums of float64 are exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from objectives.population.gene_table import GeneColumns, GeneTable
from objectives.population.pieces import Piece, PieceKind, SpacePieces
from objectives.workload import peak_bytes, spilt_bytes, workload
from search_space import complexity
from search_space.arrays import Floats, Genotypes
from search_space.space import Space
from search_space.subnet import Block, PatchMerging, Subnet

SPILT = "spilt"
"""Bytes of the maps that leave a given SRAM, summed over the ops."""
SUMS = ("macs", "params", "conv_blocks", "vit_blocks", SPILT)
PEAK = "sram"
SIZES = (*SUMS, PEAK)
"""Names of what is counted; units as in `objectives.size_objectives`."""

Counts = tuple[int, int, int, int]
"""One number for each of `SUMS` but the last."""


class SizeTables:
    """Sizes of populations of one search space.

    Args:
        space: The search space of the genotypes.
        sram_bytes: SRAM that maps leave where an op exceeds it; none do by default.
    """

    def __init__(self, space: Space, sram_bytes: float = math.inf) -> None:
        tables = list(_tables(SpacePieces(space), sram_bytes))
        self._columns = GeneColumns(space)
        self._genes = [table.genes for table in tables]
        self._values = [np.ascontiguousarray(table.values.reshape(table.rows, -1).T) for table in tables]

    def __call__(self, genotypes: Genotypes) -> dict[str, Floats]:
        """Each of `SIZES` (n,) of genotypes (n, genes), canonical or not; exact.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        totals = np.zeros((len(SUMS), len(genotypes)))
        peak = np.zeros(len(genotypes))
        columns = self._columns(genotypes)
        for values, genes in zip(self._values, self._genes, strict=True):
            sizes = values.take(self._columns.rows(columns, genes), axis=1)
            totals += sizes[:-1]
            np.maximum(peak, sizes[-1], out=peak)
        return dict(zip(SIZES, (*totals, peak), strict=True))

    def upper_bounds(self) -> dict[str, float]:
        """Most of each of `SIZES` that any network may have: exact for the peak, a bound for sums."""
        most = np.stack([values.max(axis=1) for values in self._values])
        return dict(zip(SIZES, (*most[:, :-1].sum(axis=0).tolist(), float(most[:, -1].max())), strict=True))


def _tables(pieces: SpacePieces, sram_bytes: float) -> Iterator[GeneTable]:
    """The numbers of `SIZES` of every piece at each of its positions."""
    for piece in (
        pieces.stem,
        *pieces.downsampling,
        *pieces.blocks,
        pieces.head_conv,
        pieces.classifier,
    ):
        values = [
            np.array([*_counts(piece, network), *_memory(piece, network, sram_bytes)], dtype=np.float64)
            for network in pieces.networks(piece)
        ]
        yield from pieces.at_positions(piece, pieces.table(piece, values))


def _memory(piece: Piece, subnet: Subnet, sram_bytes: float) -> tuple[float, float]:
    """Bytes of the maps that leave an SRAM of `sram_bytes`, and peak."""
    steps = [step for step in workload(subnet) if step.name.startswith(piece.step_names)]
    return spilt_bytes(steps, sram_bytes), peak_bytes(steps)


def _counts(piece: Piece, subnet: Subnet) -> Counts:
    match piece.kind:
        case PieceKind.STEM:
            return complexity.stem_macs(subnet), complexity.stem_params(subnet), 0, 0
        case PieceKind.HEAD_CONV:
            macs = complexity.head_macs(subnet) - complexity.classifier_macs(subnet)
            params = complexity.head_params(subnet) - complexity.classifier_params(subnet)
            return macs, params, 0, 0
        case PieceKind.CLASSIFIER:
            return complexity.classifier_macs(subnet), complexity.classifier_params(subnet), 0, 0
    assert piece.stage is not None
    stage = subnet.stages[piece.stage]
    side_before, side = subnet.sides[piece.stage : piece.stage + 2]
    match piece.kind:
        case PieceKind.DOWNSAMPLING:
            return _block_counts(stage.downsampling, side_before)
        case PieceKind.POSITION_EMBEDDING:
            return 0, side**2 * stage.width, 0, 0
        case PieceKind.BLOCK:
            assert piece.block is not None
            return _block_counts(stage.blocks_of(piece.block)[0], side)
    raise AssertionError(piece.kind)


def _block_counts(block: Block, side: int) -> Counts:
    is_step = isinstance(block, PatchMerging)
    is_conv, is_vit = not block.takes_tokens and not is_step, block.takes_tokens
    return block.macs(side), block.params, int(is_conv), int(is_vit)
