"""Archive of all genotypes that a study has asked for, and the search for new ones beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace


class Archive:
    """Canonical genotypes in the order in which they were asked for.

    Args:
        space: What they belong to.
        rng: Source of the draws.
    """

    def __init__(self, space: DesignSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._asked: dict[Genotype, None] = {}
        self._enclosed: set[Genotype] = set()  # Networks all of whose neighbours were asked for.

    def __contains__(self, genotype: object) -> bool:
        return genotype in self._asked

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def is_complete(self) -> bool:
        """Whether every network of the space was asked for."""
        return len(self._asked) >= self._space.cardinality

    def admit(
        self, proposed: Sequence[Genotype], count: int, *, near: Sequence[Genotype] = ()
    ) -> list[Genotype]:
        """`count` new networks: each proposal that is new in its own place, others instead of the rest.

        What stands instead of a proposal that was asked for already differs from it in one gene, where
        such a network is left; else, and for places without a proposal, it lies beside one of `near`, else
        beside anything known. Any network leads to any other by changes of one gene, so this comes back
        short only when the space is complete.

        Args:
            proposed: Canonical; at most `count`.
            count: How many are wanted.
            near: Where to look first; asked for already.
        """
        places: list[Genotype | None] = [None] * count
        for place, genotype in enumerate(proposed):
            if genotype not in self._asked:
                places[place] = genotype
                self._asked[genotype] = None
        for place in range(count):
            if places[place] is None and not self.is_complete:
                places[place] = self._beside([*proposed[place : place + 1]], near)
        return [genotype for genotype in places if genotype is not None]

    def admit_siblings(self, genotypes: Sequence[Genotype]) -> list[Genotype]:
        """The designs of `genotypes` under the other mappings, as far as they are new."""
        siblings = dict.fromkeys(
            other for genotype in genotypes for other in self._space.siblings(genotype) if other not in self
        )
        self._asked |= siblings
        return list(siblings)

    def _beside(self, first: Sequence[Genotype], near: Sequence[Genotype]) -> Genotype:
        """A new network that differs in one gene from a known one; asked for from now on."""
        for origin in chain(first, self._shuffled(near), self._shuffled(list(self._asked))):
            if origin in self._enclosed:
                continue
            fresh = self.new_neighbours(origin)
            if fresh:
                chosen = fresh[int(self._rng.integers(len(fresh)))]
                self._asked[chosen] = None
                return chosen
        raise AssertionError("a space that is not complete has a new network beside a known one")

    def new_neighbours(self, origin: Genotype) -> list[Genotype]:
        """What differs from `origin` in one gene and was never asked for."""
        if origin in self._enclosed:
            return []
        fresh = [one for one in self._space.neighbours(origin) if one not in self._asked]
        if not fresh:
            self._enclosed.add(origin)
        return fresh

    def _shuffled(self, genotypes: Sequence[Genotype]) -> Iterator[Genotype]:
        # A generator: most often the first will do, and draws are taken only where they are needed.
        order: Iterable[int] = self._rng.permutation(len(genotypes))
        for index in order:
            yield genotypes[index]
