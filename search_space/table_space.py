"""Search spaces that an accuracy table defines: genes with their options, and no rules beyond them.

The project knows nothing about the networks of such a space except their genes. So they have no operations,
no accuracy other than the table's, and no latency from the cost model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import cast

import numpy as np

from search_space import genotype as genotypes
from search_space.arrays import Booleans, Genotypes
from search_space.errors import DocumentError
from search_space.files.yaml_document import Document
from search_space.genotype import Gene, Genotype
from search_space.space import Space


@dataclass(frozen=True)
class TabledNetwork:
    """A network of which only the genes are known.

    Attributes:
        genes: Genes of its space.
        genotype: Its canonical genotype.
    """

    genes: tuple[Gene, ...]
    genotype: Genotype

    def __str__(self) -> str:
        """Name and option of each gene."""
        pairs = zip(self.genes, self.genotype, strict=True)
        return ", ".join(f"{gene.name}={gene.options[index]}" for gene, index in pairs)


@dataclass(frozen=True)
class TableChoice(Document):
    """One gene of a table.

    Attributes:
        name: Name of its column.
        options: Its options.
        is_ordered: Whether neighbouring options are more alike than distant ones.
    """

    name: str
    options: tuple[int | str, ...]
    is_ordered: bool


@dataclass(frozen=True)
class TableSpace(Document):
    """All combinations of the options of a table's genes. It follows the interface of `Space`.

    Attributes:
        name: Name of the space.
        choices: Its genes, in the order of the table's columns.
    """

    name: str
    choices: tuple[TableChoice, ...]

    def __post_init__(self) -> None:
        if not self.choices or not all(choice.options for choice in self.choices):
            raise DocumentError("choices must be a list of genes that is not empty, each with options")

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """All genes; every network uses all of them."""
        return tuple(Gene(choice.name, choice.options, choice.is_ordered) for choice in self.choices)

    @cached_property
    def cardinality(self) -> int:
        """Number of combinations."""
        return prod(gene.cardinality for gene in self.genes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the definition."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def active(self, genotype: Sequence[int]) -> tuple[bool, ...]:
        """Whether the network uses each gene: always.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        return (True,) * len(genotypes.checked(genotype, self.genes))

    def active_rows(self, genotypes: Genotypes) -> Booleans:
        """`active` of genotypes (n, genes), which are not checked: shape (n, genes)."""
        return np.ones(genotypes.shape, dtype=np.bool_)

    def canonical(self, genotype: Sequence[int]) -> Genotype:
        """`genotype`, checked.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        return genotypes.checked(genotype, self.genes)

    def decode(self, genotype: Sequence[int]) -> TabledNetwork:
        """The network of `genotype`.

        Raises:
            GenotypeError: `genotype` is not in this space.
        """
        return TabledNetwork(self.genes, self.canonical(genotype))

    def encode(self, network: TabledNetwork) -> Genotype:
        """The genotype of `network`.

        Raises:
            DocumentError: It belongs to another space.
        """
        if getattr(network, "genes", None) != self.genes:
            raise DocumentError(f"space {self.name!r} does not contain {network}")
        return network.genotype

    def sample(self, rng: np.random.Generator) -> Genotype:
        """A random genotype, every gene drawn uniformly."""
        return genotypes.sample(self.genes, rng)

    def smallest(self) -> Genotype:
        """The first option of every gene."""
        return (0,) * len(self.genes)

    def largest(self) -> Genotype:
        """The last option of every gene."""
        return tuple(gene.cardinality - 1 for gene in self.genes)

    def neighbours(self, genotype: Sequence[int]) -> Iterator[Genotype]:
        """All genotypes that differ from this one in one gene."""
        origin = self.canonical(genotype)
        for index, gene in enumerate(self.genes):
            for value in range(gene.cardinality):
                if value != origin[index]:
                    yield (*origin[:index], value, *origin[index + 1 :])

    def as_space(self) -> Space:
        """This space where a `Space` is expected. Only code that decodes networks tells them apart."""
        return cast(Space, self)


def is_table_space(space: object) -> bool:
    """Whether `space` is a `TableSpace`, of whose networks only the genes are known."""
    return isinstance(space, TableSpace)
