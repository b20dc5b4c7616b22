"""Functions of a few genes as tables, so that a whole population is looked up at once.

A table has one axis for each gene it depends on, and behind them the axes of its values. Tables add up by
broadcasting over the genes of both; a population is looked up by mixed-radix row numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.arrays import Genotypes, Integers
from search_space.genotype import GenotypeError, check
from search_space.space import Space

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class GeneTable:
    """A function of some genes.

    Attributes:
        genes: Positions in the genotype, ascending.
        values: Shape (cardinality of each gene, ..., *shape of a value).
    """

    genes: tuple[int, ...]
    values: Values

    @property
    def value_shape(self) -> tuple[int, ...]:
        """Shape of one value."""
        return self.values.shape[len(self.genes) :]

    @property
    def rows(self) -> int:
        """Number of combinations of the genes."""
        return prod(self.values.shape[: len(self.genes)])

    def over(self, genes: tuple[int, ...]) -> Values:
        """`values` with an axis for each of `genes`, of length 1 for those that decide nothing."""
        sizes = dict(zip(self.genes, self.values.shape, strict=False))
        return self.values.reshape(tuple(sizes.get(gene, 1) for gene in genes) + self.value_shape)

    def moved(self, genes: Sequence[int]) -> GeneTable:
        """The same function of other genes: of `genes[i]` in place of `self.genes[i]`."""
        order = sorted(range(len(genes)), key=lambda axis: genes[axis])
        axes = (*order, *range(len(genes), self.values.ndim))
        return GeneTable(tuple(genes[axis] for axis in order), self.values.transpose(axes))

    def where(self, mask: GeneTable) -> GeneTable:
        """The function where `mask`, a table of booleans, is true, else zero."""
        genes = tuple(sorted({*self.genes, *mask.genes}))
        holds = mask.over(genes)
        holds = holds.reshape(holds.shape + (1,) * len(self.value_shape))
        return GeneTable(genes, np.where(holds, self.over(genes), 0.0))

    def __add__(self, other: GeneTable) -> GeneTable:
        genes = tuple(sorted({*self.genes, *other.genes}))
        return GeneTable(genes, self.over(genes) + other.over(genes))


def merged(tables: Sequence[GeneTable], most_rows: int) -> list[GeneTable]:
    """Fewer tables with the same sum; none that is joined has more than `most_rows` rows.

    Each table joins the one with which it makes the fewest rows.
    """
    kept: list[GeneTable] = []
    for table in sorted(tables, key=lambda one: one.genes):
        sizes = [_joint_rows(table, other) for other in kept]
        if sizes and min(sizes) <= most_rows:
            kept[sizes.index(min(sizes))] += table
        else:
            kept.append(table)
    return kept


def _joint_rows(first: GeneTable, second: GeneTable) -> int:
    sizes = dict(zip(second.genes, second.values.shape, strict=False))
    sizes.update(zip(first.genes, first.values.shape, strict=False))
    return prod(sizes.values())


class RowNumbers:
    """Where genotypes stand in each of several tables.

    Args:
        space: What the genotypes mean.
        tables: The tables.
    """

    def __init__(self, space: Space, tables: Sequence[GeneTable]) -> None:
        self._genes = space.genes
        self._cardinalities = np.array([gene.cardinality for gene in space.genes])
        self._tables = [table.genes for table in tables]

    def __call__(self, genotypes: Genotypes) -> Integers:
        """Row numbers (tables, n) of genotypes (n, genes).

        Raises:
            GenotypeError: A row is no genotype of the space.
        """
        if genotypes.ndim != 2 or genotypes.shape[1] != len(self._genes):
            raise GenotypeError(
                f"genotypes must have shape (n, {len(self._genes)}), but got {genotypes.shape}"
            )
        columns = np.ascontiguousarray(genotypes.T, dtype=np.int64)
        wrong = ((columns < 0) | (columns >= self._cardinalities[:, None])).any(axis=0)
        if wrong.any():
            check(genotypes[wrong][0].tolist(), self._genes)  # says what is wrong
        numbers = np.zeros((len(self._tables), len(genotypes)), dtype=np.int64)
        # A matrix product with the strides would be shorter, but wakes threads for next to no work.
        for row, genes in zip(numbers, self._tables, strict=True):
            for gene in genes:
                row *= self._cardinalities[gene]
                row += columns[gene]
        return numbers
