"""The networks of an accuracy table: all that a study over the table may propose.

The table need not hold every combination of its genes. Samplers therefore move a network that is not listed
to the nearest listed one. The distance of two networks is the sum over their genes: for a gene with an order,
the difference of the options' indices, divided by the greatest one; for any other gene, 1 if the options
differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from objectives.population.size_tables import SizeTables
from search_space.arrays import Floats, Genotypes
from search_space.genotype import Genotype
from search_space.row_index import RowIndex
from search_space.space import Space
from search_space.table_space import is_table_space


class ListedNetworks:
    """Networks in the order of their table.

    Args:
        space: Search space of the networks.
        genotypes: Canonical genotypes, all different, shape (n, genes), n at least 1.

    Attributes:
        genotypes: As given.
        index: Finds the row of a genotype.
    """

    def __init__(self, space: Space, genotypes: Genotypes) -> None:
        self.genotypes = genotypes
        self.index = RowIndex(genotypes)
        self._genes = space.genes
        self._space = space
        sizes = _sizes(space, genotypes)
        self._smallest, self._largest = int(sizes.argmin()), int(sizes.argmax())

    def smallest(self) -> Genotype:
        """The listed network with the fewest multiply-accumulates; in a space of the table, see `_sizes`."""
        return self.at(self._smallest)

    def largest(self) -> Genotype:
        """The listed network with the most multiply-accumulates; in a space of the table, see `_sizes`."""
        return self.at(self._largest)

    def at(self, row: int) -> Genotype:
        """The network at a row."""
        return tuple(self.genotypes[row].tolist())

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A listed network, all equally likely."""
        return self.at(int(rng.integers(len(self.genotypes))))

    def neighbours(self, genotype: Sequence[int]) -> Iterator[Genotype]:
        """All listed networks that differ from this one in one gene."""
        others = list(self._space.neighbours(genotype))
        if others:
            rows = self.index.rows(np.array(others))
            yield from (other for other, row in zip(others, rows.tolist(), strict=True) if row >= 0)

    def distances(self, genotype: Sequence[int]) -> Floats:
        """Distance of a network of the space to every listed one, shape (n,)."""
        total = np.zeros(len(self.genotypes))
        for column, (gene, value) in enumerate(zip(self._genes, genotype, strict=True)):
            if gene.cardinality > 1:
                gaps = np.abs(self.genotypes[:, column].astype(np.int64) - value)
                total += gaps / (gene.cardinality - 1) if gene.is_ordered else gaps > 0
        return total


def _sizes(space: Space, genotypes: Genotypes) -> Floats:
    """Size of each network: multiply-accumulates, or in a space of a table the sum of relative indices.

    Genes without an order do not count.
    """
    if not is_table_space(space):
        return SizeTables(space)(genotypes)["macs"]
    steps = [max(gene.cardinality - 1, 1) if gene.is_ordered else np.inf for gene in space.genes]
    sizes: Floats = (genotypes / np.array(steps)).sum(axis=1)
    return sizes
