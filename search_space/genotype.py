"""Genotypes: integer vectors, one gene per choice, the value an index into that choice's options.

Small pure functions on genotypes and their genes; `Space` says which genes there are and which of them
a network uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from search_space.errors import H4HError

Genotype = tuple[int, ...]
"""One index per gene. Genotypes compare and hash by value."""


class GenotypeError(H4HError):
    """A vector that is no genotype of the space at hand."""


@dataclass(frozen=True)
class Gene:
    """One choice.

    Attributes:
        name: Where the choice stands, e.g. ``"stage2.conv1.kernel"``; stages and blocks count from 1.
        options: What can be chosen; the gene's value is an index into it.
    """

    name: str
    options: tuple[int | str, ...]

    @property
    def cardinality(self) -> int:
        return len(self.options)


def check(genotype: Iterable[int], genes: Sequence[Gene]) -> Genotype:
    """`genotype` as a tuple of Python integers.

    Raises:
        GenotypeError: Wrong length, a value that is no integer, or an index out of range.
    """
    values = tuple(genotype)
    if len(values) != len(genes):
        raise GenotypeError(f"a genotype of this space has {len(genes)} genes, but got {len(values)}")
    for gene, value in zip(genes, values, strict=True):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise GenotypeError(f"gene {gene.name} must be an integer, but got {value!r}")
        if not 0 <= value < gene.cardinality:
            raise GenotypeError(
                f"gene {gene.name} must be 0 to {gene.cardinality - 1} "
                f"(options {', '.join(map(str, gene.options))}), but got {value}"
            )
    return tuple(int(value) for value in values)


def sample(genes: Sequence[Gene], rng: np.random.Generator) -> Genotype:
    """Every gene uniform over its options, independent of the others; not yet canonical."""
    return tuple(int(value) for value in rng.integers(0, [gene.cardinality for gene in genes]))


def to_text(genotype: Genotype) -> str:
    """Indices joined by commas; `parse` reads them back."""
    return ",".join(map(str, genotype))


def parse(text: str) -> Genotype:
    """Reads what `to_text` writes.

    Raises:
        GenotypeError: `text` is not a list of integers joined by commas.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise GenotypeError(f"a genotype is written as integers joined by commas, but got {text!r}") from None
