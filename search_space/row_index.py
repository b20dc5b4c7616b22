"""Index of many genotypes: finds the row of a genotype among up to millions, without Python objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from search_space.arrays import Genotypes

ABSENT = -1


class RowIndex:
    """Rows of a matrix of genotypes by their genes.

    Args:
        genotypes: Canonical genotypes, shape (n, genes), all different or not.

    Attributes:
        first: For each row, the first row with the same genes, shape (n,).
    """

    def __init__(self, genotypes: Genotypes) -> None:
        packed = _packed(genotypes)
        self._order = np.argsort(packed, kind="stable")
        self._sorted = packed[self._order]
        begins = np.ones(len(packed), dtype=np.bool_)
        begins[1:] = self._sorted[1:] != self._sorted[:-1]
        starts = np.maximum.accumulate(np.where(begins, np.arange(len(packed)), 0))
        self.first = np.empty(len(packed), dtype=np.intp)
        self.first[self._order] = self._order[starts]

    def rows(self, genotypes: Genotypes) -> NDArray[np.intp]:
        """First row of each of m genotypes (m, genes), shape (m,); `ABSENT` where no row has its genes."""
        packed = _packed(genotypes)
        places = np.minimum(np.searchsorted(self._sorted, packed), len(self._sorted) - 1)
        rows: NDArray[np.intp] = np.where(self._sorted[places] == packed, self._order[places], ABSENT)
        return rows


def _packed(genotypes: Genotypes) -> NDArray[np.bytes_]:
    """Genes as two bytes each, so that rows compare like texts of equal length, shape (n,)."""
    pairs = np.ascontiguousarray(genotypes.astype(">u2"))
    packed: NDArray[np.bytes_] = pairs.view(f"S{2 * pairs.shape[1]}")[:, 0]
    return packed
