"""Tables of functions of a few genes, with look-up of whole populations at once.

A table has one axis for each gene that the function depends on, followed by the axes of its values. Tables
add up by broadcasting over the genes of both. Genotypes are looked up by mixed-radix row numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.arrays import Genotypes, Integers
from search_space.genotype import GenotypeError, checked
from search_space.space import Space

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class GeneTable:
    """A function of some genes.

    Attributes:
        genes: Positions of the genes in the genotype, ascending.
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
        """`values` with an axis for each of `genes`, of length 1 for genes without influence."""
        sizes = dict(zip(self.genes, self.values.shape, strict=False))
        return self.values.reshape(tuple(sizes.get(gene, 1) for gene in genes) + self.value_shape)

    def moved(self, genes: Sequence[int]) -> GeneTable:
        """The same function of other genes: `genes[i]` takes the place of `self.genes[i]`."""
        order = sorted(range(len(genes)), key=lambda axis: genes[axis])
        axes = (*order, *range(len(genes), self.values.ndim))
        return GeneTable(tuple(genes[axis] for axis in order), self.values.transpose(axes))

    def where(self, mask: GeneTable) -> GeneTable:
        """The function where `mask`, a table of truth values, is true, and zero elsewhere."""
        genes = tuple(sorted({*self.genes, *mask.genes}))
        holds = mask.over(genes)
        holds = holds.reshape(holds.shape + (1,) * len(self.value_shape))
        return GeneTable(genes, np.where(holds, self.over(genes), 0.0))

    def __add__(self, other: GeneTable) -> GeneTable:
        genes = tuple(sorted({*self.genes, *other.genes}))
        return GeneTable(genes, self.over(genes) + other.over(genes))


def merged(tables: Sequence[GeneTable], most_rows: int) -> list[GeneTable]:
    """Fewer tables with the same sum; no merged table has more than `most_rows` rows.

    Each table is added to the one with which it makes the fewest rows.
    """
    result: list[GeneTable] = []
    for table in sorted(tables, key=lambda table: table.genes):
        sizes = [_joint_rows(table, other) for other in result]
        if sizes and min(sizes) <= most_rows:
            result[sizes.index(min(sizes))] += table
        else:
            result.append(table)
    return result


def _joint_rows(first: GeneTable, second: GeneTable) -> int:
    sizes = dict(zip(second.genes, second.values.shape, strict=False))
    sizes.update(zip(first.genes, first.values.shape, strict=False))
    return prod(sizes.values())


class RowNumbers:
    """Row numbers of genotypes in each of several tables.

    Args:
        space: The search space of the genotypes.
        tables: The tables.
    """

    def __init__(self, space: Space, tables: Sequence[GeneTable]) -> None:
        self._genes = space.genes
        self._cardinalities = np.array([gene.cardinality for gene in space.genes])
        self._tables = [table.genes for table in tables]

    def __call__(self, genotypes: Genotypes) -> Integers:
        """Row numbers (tables, n) of genotypes (n, genes).

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        if genotypes.ndim != 2 or genotypes.shape[1] != len(self._genes):
            raise GenotypeError(
                f"genotypes must have shape (n, {len(self._genes)}), but got {genotypes.shape}"
            )
        columns = np.ascontiguousarray(genotypes.T, dtype=np.int64)
        wrong = ((columns < 0) | (columns >= self._cardinalities[:, None])).any(axis=0)
        if wrong.any():
            checked(genotypes[wrong][0].tolist(), self._genes)  # raises and names the gene
        numbers = np.zeros((len(self._tables), len(genotypes)), dtype=np.int64)
        # A matrix product with the strides would be shorter, but starts threads for very little work.
        for row, genes in zip(numbers, self._tables, strict=True):
            for gene in genes:
                row *= self._cardinalities[gene]
                row += columns[gene]
        return numbers
