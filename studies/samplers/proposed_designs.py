"""Archive of all genotypes that a study has proposed, and the choice of new neighbours."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from search_space.arrays import Genotypes
from search_space.genotype import Genotype
from search_space.row_index import ABSENT
from studies.design_space.design_space import DesignSpace
from studies.samplers.unseen_networks import UnseenNetworks


class Archive:
    """Canonical genotypes in the order of their proposal.

    Args:
        space: Design space of the genotypes.
        rng: Source of the draws.
    """

    def __init__(self, space: DesignSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._proposed: dict[Genotype, None] = {}
        self._enclosed: set[Genotype] = set()  # Networks all of whose neighbours have been proposed.
        self._unseen = None if space.listed is None else UnseenNetworks(space)

    def __contains__(self, genotype: object) -> bool:
        return genotype in self._proposed

    def __len__(self) -> int:
        return len(self._proposed)

    @property
    def is_complete(self) -> bool:
        """Whether every network of the space has been proposed."""
        return len(self._proposed) >= self._space.cardinality

    def admit(
        self, proposed: Sequence[Genotype], count: int, *, near: Sequence[Genotype] = ()
    ) -> list[Genotype]:
        """`count` new networks: new proposals keep their places, and others replace the rest.

        The replacement of a known proposal differs from it in one gene if such a network is new. Otherwise,
        and in places without a proposal, it is a neighbour of one of `near`, else of any known network.
        Changes of one gene connect all networks, so the result is shorter than `count` only once the space is
        complete.

        Where a table lists the networks, the nearest new one replaces a proposal that is known or not listed.

        Args:
            proposed: Canonical genotypes, at most `count`.
            count: Number of networks to return.
            near: Known genotypes whose neighbours are preferred.
        """
        places: list[Genotype | None] = [None] * count
        for place, genotype in enumerate(proposed):
            if self.is_new(genotype):
                places[place] = genotype
                self._add(genotype)
        for place in range(count):
            if places[place] is None and not self.is_complete:
                places[place] = self._beside([*proposed[place : place + 1]], near)
        return [genotype for genotype in places if genotype is not None]

    def admit_siblings(self, genotypes: Sequence[Genotype]) -> list[Genotype]:
        """The designs of `genotypes` under the other mappings, as far as they are new."""
        siblings = dict.fromkeys(
            other for genotype in genotypes for other in self._space.siblings(genotype) if other not in self
        )
        for sibling in siblings:
            self._add(sibling)
        return list(siblings)

    def is_new(self, genotype: Genotype) -> bool:
        """Whether the study may propose this network: it is listed, if a table lists them, and not known."""
        if genotype in self._proposed:
            return False
        return self._unseen is None or self._space.listed_row(genotype) != ABSENT

    def nearest_new(self, genotype: Genotype, taken: Container[Genotype] = ()) -> Genotype | None:
        """The new listed network nearest to a design, on the same chip if one is left there.

        Of equally near ones, chance decides.

        Args:
            genotype: A design, listed or not.
            taken: Designs that are not eligible either.

        Returns:
            The network; the same design if it is eligible, None if no network is.
        """
        assert self._unseen is not None, "only a table lists networks"
        if genotype not in taken and self.is_new(genotype):
            return genotype
        return self._unseen.nearest(genotype, taken, self._rng)

    def new_designs(self) -> Genotypes:
        """All new designs of the listed networks, shape (n, genes)."""
        assert self._unseen is not None, "only a table lists networks"
        return self._unseen.designs()

    def _add(self, genotype: Genotype) -> None:
        self._proposed[genotype] = None
        if self._unseen is not None:
            self._unseen.remove(genotype)

    def _beside(self, first: Sequence[Genotype], near: Sequence[Genotype]) -> Genotype:
        """Proposes a new network that differs in one gene from a known one."""
        for origin in chain(first, self._shuffled(near), self._shuffled(list(self._proposed))):
            if self._unseen is not None:
                nearest = self.nearest_new(origin)
                assert nearest is not None, "an incomplete table has a new network"
                self._add(nearest)
                return nearest
            if origin in self._enclosed:
                continue
            fresh = self.new_neighbours(origin)
            if fresh:
                chosen = fresh[int(self._rng.integers(len(fresh)))]
                self._add(chosen)
                return chosen
        raise AssertionError("an incomplete space has a new neighbour of a known network")

    def new_neighbours(self, origin: Genotype) -> list[Genotype]:
        """Networks that differ from `origin` in one gene and have never been proposed."""
        if origin in self._enclosed:
            return []
        fresh = [neighbour for neighbour in self._space.neighbours(origin) if neighbour not in self._proposed]
        if not fresh:
            self._enclosed.add(origin)
        return fresh

    def _shuffled(self, genotypes: Sequence[Genotype]) -> Iterator[Genotype]:
        # A generator, since most often the first network suffices, and randomness is drawn only when needed.
        order: Iterable[int] = self._rng.permutation(len(genotypes))
        for index in order:
            yield genotypes[index]
