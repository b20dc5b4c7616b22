"""Listed networks that a study has not proposed yet, on each chip."""

from __future__ import annotations

from collections.abc import Container
from itertools import product

import numpy as np

from search_space.arrays import Booleans, Genotypes
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace


class UnseenNetworks:
    """Which listed networks are left, by genes of the chip.

    Args:
        space: Design space whose networks a table lists.
    """

    def __init__(self, space: DesignSpace) -> None:
        assert space.listed is not None, "only a table lists networks"
        self._space, self._listed = space, space.listed
        chips = dict.fromkeys(
            tuple(space.chips.canonical(genes))
            for genes in product(*(range(gene.cardinality) for gene in space.chips.genes))
        )
        size = len(self._listed.genotypes)
        self._left: dict[Genotype, Booleans] = {chip: np.ones(size, dtype=np.bool_) for chip in chips}

    def remove(self, design: Genotype) -> None:
        """Marks a listed design as proposed."""
        self._left[design[len(self._space.network(design)) :]][self._space.listed_row(design)] = False

    def nearest(
        self, design: Genotype, taken: Container[Genotype], rng: np.random.Generator
    ) -> Genotype | None:
        """The design that is left, not `taken`, and nearest to `design`; None if there is none.

        The design's own chip comes first. Of equally near networks, chance decides.
        """
        network = self._space.network(design)
        own = design[len(network) :]
        distances = self._listed.distances(network)
        for chip in dict.fromkeys([own, *self._left]):
            rows = np.flatnonzero(self._left[chip])
            while len(rows):
                near = distances[rows]
                nearest = rows[near == near.min()]
                for row in rng.permutation(nearest).tolist():
                    candidate = (*self._listed.at(row), *chip)
                    if candidate not in taken:
                        return candidate
                rows = np.setdiff1d(rows, nearest, assume_unique=True)
        return None

    def designs(self) -> Genotypes:
        """All designs that are left, shape (n, genes)."""
        parts = [self._space.listed_designs(chip, np.flatnonzero(left)) for chip, left in self._left.items()]
        return np.concatenate(parts)
