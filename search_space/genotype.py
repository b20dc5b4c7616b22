"""Genotypes: integer vectors with one gene per choice; a value is an index into the options of the choice.

This file holds pure functions on genotypes and their genes. `Space` knows which genes exist and which of them
a network uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search_space.errors import H4HError

Genotype = tuple[int, ...]
"""One option index per gene. Genotypes compare and hash by value."""


_SHOWN = 200
"""Number of characters of a wrong genotype that a message repeats."""


class GenotypeError(H4HError):
    """A vector that is not a genotype of the search space."""


@dataclass(frozen=True)
class Gene:
    """One choice.

    Attributes:
        name: Path of the choice, e.g. ``"stage2.conv1.kernel"``; stages and blocks count from 1.
        options: Options of the choice; the value of the gene is an index into them.
        has_order: Whether neighbouring options are more alike than distant ones; None if this follows from
            the options, see `is_ordered`.
    """

    name: str
    options: tuple[int | str, ...]
    has_order: bool | None = None

    @property
    def cardinality(self) -> int:
        """Number of options."""
        return len(self.options)

    @cached_property
    def allowed(self) -> range:
        """Values of the gene."""
        return range(len(self.options))

    @property
    def is_ordered(self) -> bool:
        """Whether the options have an order. Without `has_order`, numbers have one and names have none."""
        if self.has_order is not None:
            return self.has_order
        return all(isinstance(option, int) for option in self.options)


def checked(genotype: Iterable[int], genes: Sequence[Gene]) -> Genotype:
    """`genotype` as a tuple of Python integers.

    Raises:
        GenotypeError: The length is wrong, a value is not an integer, or an index is out of range.
    """
    values = tuple(genotype)
    # A search checks millions of genotypes, nearly all of them right.
    is_plain = len(values) == len(genes) and {*map(type, values)} <= {int}
    if is_plain and all(map(range.__contains__, [gene.allowed for gene in genes], values)):
        return values
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
    """A genotype with every gene drawn uniformly from its options, independently; not canonical."""
    return tuple(int(value) for value in rng.integers(0, [gene.cardinality for gene in genes]))


def to_text(genotype: Genotype) -> str:
    """Option indices joined by commas; the inverse of `parse`."""
    return ",".join(map(str, genotype))


def parse(text: str) -> Genotype:
    """The genotype written by `to_text`.

    Raises:
        GenotypeError: `text` is not a list of integers joined by commas.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        raise GenotypeError(
            f"a genotype is written as integers joined by commas, but got {shown!r}"
        ) from None
