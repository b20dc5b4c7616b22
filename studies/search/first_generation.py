"""User-supplied initial population: named subnets, and the front of an earlier study (warm start)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectives.hardware.chip import Chip
from objectives.objective import Design
from search_space.errors import DocumentError, H4HError
from search_space.genotype import Genotype, GenotypeError
from search_space.mobilenet_v2 import MOBILENET_V2
from studies.design_space.design_space import DesignSpace
from studies.storage.named_study import read_study

MOBILENET = "mobilenetv2"


class FirstGenerationError(H4HError):
    """Subnets that cannot be in the initial population."""


def parse_subnets(text: str, space: DesignSpace) -> tuple[Genotype, ...]:
    """Canonical genotypes named by `text`, in its order, each once.

    Args:
        text: ``max``, ``min``, ``mobilenetv2`` and genotypes, separated by commas. A genotype is one integer
            per gene of the space.
        space: Design space of the genotypes.

    Raises:
        H4HError: A name is unknown, the space lacks a network, or a genotype has a wrong length or an index
            out of range.
    """
    words = [word.strip() for word in text.split(",")]
    subnets: dict[Genotype, None] = {}
    while words:
        is_name = not words[0].lstrip("-").isdecimal()
        length = 1 if is_name else len(space.genes)
        first, words = words[:length], words[length:]
        subnets[_named(first[0], space) if is_name else _genotype(first, space)] = None
    return tuple(subnets)


def _named(name: str, space: DesignSpace) -> Genotype:
    if name in ("max", "min"):
        return space.parse(name)
    if name != MOBILENET:
        raise FirstGenerationError(
            f"--seed-subnets must be max, min, {MOBILENET} or genotypes of {len(space.genes)} integers, "
            f"separated by commas, but got {name!r}"
        )
    try:
        return space.encode(Design(MOBILENET_V2, Chip()))
    except DocumentError as error:
        raise FirstGenerationError(f"--seed-subnets {MOBILENET}: {error}") from error


def _genotype(words: Sequence[str], space: DesignSpace) -> Genotype:
    integers = [word for word in words if word.lstrip("-").isdecimal()]
    if len(integers) < len(space.genes):
        raise FirstGenerationError(
            f"--seed-subnets: a genotype of space {space.name!r} has {len(space.genes)} genes, but got only "
            f"{len(integers)} integers in a row"
        )
    return space.parse(",".join(words))


@dataclass(frozen=True)
class WarmStart:
    """Subnets that a study takes from an earlier one.

    Attributes:
        study: Name of the earlier study.
        subnets: Canonical genotypes, best in its first objective first.
    """

    study: str
    subnets: tuple[Genotype, ...]


def warm_start(
    source: str, db: Path, space: DesignSpace, *, without: Collection[Genotype] = (), count: int
) -> WarmStart:
    """At most `count` designs of another study's front that belong to `space`.

    If there are more, designs that add the least hypervolume are left out, which keeps the front well spread.
    A network keeps its chip. Numbers of the chip that the other study did not search are as large as
    possible.

    Args:
        source: Name of a study in `db`, or ``FILE:NAME`` for one in another database.
        db: Database of the new study; need not exist.
        space: Design space of the new study.
        without: Designs to leave out, since the first generation has them already.
        count: Largest number of designs.

    Raises:
        H4HError: There is no such study, or no feasible network of it belongs to `space`.
    """
    try:
        study, evaluations = read_study(source, db)
    except H4HError as error:
        raise FirstGenerationError(
            f"--warm-start must be STUDY or FILE:STUDY, but got {source!r}: {error}"
        ) from error
    members = study.front(evaluations)
    if not members:
        raise FirstGenerationError(f"--warm-start {source}: study {study.name!r} has no feasible network yet")
    other = study.search_space
    shared = [
        (member, genotype) for member in members if (genotype := _carried(member.genotype, other, space))
    ]
    if not shared:
        raise FirstGenerationError(
            f"--warm-start {source}: no network of its front is in space {space.name!r}; it was searched in "
            f"space {other.name!r}"
        )
    # A network may be on the front several times, on several chips.
    first = {genotype: member for member, genotype in reversed(shared)}
    new = [
        (member, genotype)
        for member, genotype in shared
        if first[genotype] is member and genotype not in without
    ]
    rows = study.spread([member for member, _ in new], count)
    return WarmStart(study.name, tuple(new[row][1] for row in rows))


def _carried(genotype: Genotype, other: DesignSpace, space: DesignSpace) -> Genotype | None:
    """The genotype in `space` of a design of `other`; None if `space` lacks the design."""
    if other.digest == space.digest:
        return genotype
    try:
        return space.encode(other.decode(genotype))
    except (DocumentError, GenotypeError):
        return None
