"""Tables of functions of a few genes, with look-up of whole populations at once.

A table has one axis for each gene that the function depends on, followed by the axes of its values. Tables
add up by broadcasting over the genes of both. Genotypes are looked up by mixed-radix row numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.arrays import Genotypes
from search_space.genotype import GenotypeError, checked
from search_space.space import Space

Values = npt.NDArray[Any]
Columns = npt.NDArray[np.int32]
"""Genes of n networks (genes, n), or row numbers (n,)."""


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


def without_idle_genes(table: GeneTable) -> GeneTable:
    """The same function without the genes that decide nothing."""
    values = table.values
    genes: list[int] = []
    for gene in table.genes:
        axis = len(genes)
        first = values.take([0], axis=axis)
        if (values == first).all():
            values = first.squeeze(axis)
        else:
            genes.append(gene)
    return GeneTable(tuple(genes), values)


def grouped(table: GeneTable, group: Collection[int], index: int) -> tuple[GeneTable, GeneTable]:
    """Replaces a group of genes by one gene that numbers what they decide.

    Args:
        table: A function of genes of the group and others.
        group: Genes to replace; at least one of them decides `table`.
        index: Position of the new gene, behind all others.

    Returns:
        The function of the remaining genes and the new one, and the new gene as a function of the group.
    """
    inside = [axis for axis, gene in enumerate(table.genes) if gene in group]
    outside = [axis for axis, gene in enumerate(table.genes) if gene not in group]
    value_axes = range(len(table.genes), table.values.ndim)
    moved = np.ascontiguousarray(table.values.transpose(*inside, *outside, *value_axes))
    sizes, rest = moved.shape[: len(inside)], moved.shape[len(inside) :]
    rows = moved.reshape(prod(sizes), -1)
    number_by_row: dict[bytes, int] = {}
    numbers = [number_by_row.setdefault(row.tobytes(), len(number_by_row)) for row in rows]
    first = [numbers.index(number) for number in range(len(number_by_row))]
    values = np.moveaxis(rows[first].reshape(len(first), *rest), 0, len(outside))
    return (
        GeneTable((*(table.genes[axis] for axis in outside), index), values),
        GeneTable(
            tuple(table.genes[axis] for axis in inside), np.array(numbers, dtype=np.int32).reshape(sizes)
        ),
    )


class GeneColumns:
    """Genes of populations as columns, behind them genes that follow from others.

    Args:
        space: The search space of the genotypes.
        derived: Further genes, each a table of numbers from 0 over genes of the space.

    Attributes:
        cardinalities: Number of options of each gene.
    """

    def __init__(self, space: Space, derived: Sequence[GeneTable] = ()) -> None:
        self._genes = space.genes
        self._own = np.array([gene.cardinality for gene in space.genes])
        self._derived = [(table.genes, table.values.reshape(-1).astype(np.int32)) for table in derived]
        self.cardinalities = [*self._own.tolist(), *(int(values.max()) + 1 for _, values in self._derived)]

    def __call__(self, genotypes: Genotypes) -> Columns:
        """Columns (genes, n) of genotypes (n, genes of the space).

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        if genotypes.ndim != 2 or genotypes.shape[1] != len(self._genes):
            raise GenotypeError(
                f"genotypes must have shape (n, {len(self._genes)}), but got {genotypes.shape}"
            )
        columns = np.empty((len(self.cardinalities), len(genotypes)), dtype=np.int32)
        if len(genotypes) == 0:
            return columns
        own = columns[: len(self._genes)]
        # Bytes first: turning a matrix is slow where its rows are long.
        is_small = genotypes.min() >= 0 and genotypes.max() <= np.iinfo(np.uint8).max
        own[:] = genotypes.astype(np.uint8).T if is_small else genotypes.T
        if not is_small or (own.max(axis=1) >= self._own).any():
            wrong = ((genotypes < 0) | (genotypes >= self._own)).any(axis=1)
            if wrong.any():
                checked(genotypes[wrong][0].tolist(), self._genes)  # raises and names the gene
        for place, (genes, values) in enumerate(self._derived, start=len(self._genes)):
            values.take(self.rows(columns, genes), out=columns[place], mode="clip")
        return columns

    def rows(self, columns: Columns, genes: Sequence[int]) -> Columns:
        """Row numbers (n,) in a table over `genes`."""
        if not genes:
            return np.zeros(columns.shape[1], dtype=np.int32)
        numbers: Columns = columns[genes[0]].copy()
        # A matrix product with the strides would be shorter, but starts threads for very little work.
        for gene in genes[1:]:
            numbers *= self.cardinalities[gene]
            numbers += columns[gene]
        return numbers
