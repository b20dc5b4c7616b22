"""Networks that a study begins with by its user's wish: named ones, and the front of an earlier study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from search_space.errors import DocumentError, H4HError
from search_space.genotype import Genotype, GenotypeError
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.space import Space
from studies.design_space.joint_space import JointSpace, chip_of
from studies.storage.named_study import read_study

MOBILENET = "mobilenetv2"


class FirstGenerationError(H4HError):
    """Networks to begin with that cannot be had."""


def parse_subnets(text: str, space: Space) -> tuple[Genotype, ...]:
    """Canonical genotypes named by `text`, in its order, each once.

    Args:
        text: ``max``, ``min``, ``mobilenetv2`` and genotypes, joined by commas. A genotype is as many
            integers as the space has genes, so it needs no other mark than commas either.
        space: What they belong to.

    Raises:
        H4HError: An unknown name, a network that the space does not have, or a genotype of another length
            or with an index out of range.
    """
    words = [word.strip() for word in text.split(",")]
    found: dict[Genotype, None] = {}
    while words:
        is_name = not words[0].lstrip("-").isdecimal()
        length = 1 if is_name else len(space.genes)
        taken, words = words[:length], words[length:]
        found[_named(taken[0], space) if is_name else _genotype(taken, space)] = None
    return tuple(found)


def _named(name: str, space: Space) -> Genotype:
    if name in ("max", "min"):
        return space.parse(name)
    if name != MOBILENET:
        raise FirstGenerationError(
            f"--seed-subnets must be max, min, {MOBILENET} or genotypes of {len(space.genes)} integers, "
            f"joined by commas, but got {name!r}"
        )
    try:
        return space.encode(MOBILENET_V2)
    except DocumentError as error:
        raise FirstGenerationError(f"--seed-subnets {MOBILENET}: {error}") from error


def _genotype(words: Sequence[str], space: Space) -> Genotype:
    integers = [word for word in words if word.lstrip("-").isdecimal()]
    if len(integers) < len(space.genes):
        raise FirstGenerationError(
            f"--seed-subnets: a genotype of space {space.name!r} has {len(space.genes)} genes, but got only "
            f"{len(integers)} integers in a row"
        )
    return space.parse(",".join(words))


@dataclass(frozen=True)
class WarmStart:
    """What a study takes over from an earlier one.

    Attributes:
        study: Name of the earlier one.
        subnets: Canonical genotypes, best in its first objective first.
    """

    study: str
    subnets: tuple[Genotype, ...]


def warm_start(
    source: str, db: Path, space: Space, *, without: Collection[Genotype] = (), count: int
) -> WarmStart:
    """Networks of the front of another study: those that `space` has, `count` of them at most.

    Where there are more, those go first that add least hypervolume, so that the spread of the front stays.
    Where `space` has a choice of chips, a network stays on its chip; what the other study did not search of
    it is as much as can be chosen.

    Args:
        source: Name of a study in `db`, or ``FILE:NAME`` for one in another database.
        db: Database of the study to be made; need not exist.
        space: What the networks must be members of.
        without: Networks not to take, since the first generation has them anyway.
        count: How many are wanted at most.

    Raises:
        H4HError: No such study, no feasible network in it, or none of them is in `space`.
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
    shared = [(one, genotype) for one in members if (genotype := _carried(one.genotype, other, space))]
    if not shared:
        raise FirstGenerationError(
            f"--warm-start {source}: no network of its front is in space {space.name!r}; it was searched in "
            f"space {other.name!r}"
        )
    # A network may stand on a front more than once, on several chips.
    first = {genotype: one for one, genotype in reversed(shared)}
    new = [(one, genotype) for one, genotype in shared if first[genotype] is one and genotype not in without]
    kept = study.spread([one for one, _ in new], count)
    return WarmStart(study.name, tuple(new[row][1] for row in kept))


def _carried(genotype: Genotype, other: Space, space: Space) -> Genotype | None:
    """`genotype` of `other` as the same network in `space`, or None if that has no such member."""
    if other.digest == space.digest:
        return genotype
    try:
        if isinstance(space, JointSpace):
            network = space.networks.encode(other.decode(genotype))
            return space.placed(network, chip_of(other, genotype))
        return space.encode(other.decode(genotype))
    except (DocumentError, GenotypeError):
        return None
