"""User-supplied initial population: named subnets, and networks of earlier studies (warm start)."""

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
from studies.study.evaluation import Evaluation
from studies.study.study import Study

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
    """Subnets that a study takes from earlier ones.

    Attributes:
        studies: Names of the earlier studies, joined by commas; ``(all)`` follows if all networks were taken.
        subnets: Canonical genotypes, by study. Those of a front stand best in its first objective first, all
            networks of a study in the order of their evaluation.
    """

    studies: str
    subnets: tuple[Genotype, ...]


def warm_start(
    sources: Sequence[str],
    db: Path,
    space: DesignSpace,
    *,
    without: Collection[Genotype] = (),
    count: int,
    takes_all: bool = False,
) -> WarmStart:
    """Designs of earlier studies that belong to `space`: of their fronts at most `count`, or all of them.

    Several fronts share the places equally; what one leaves free goes to the next. If a front has more
    designs, those that add the least hypervolume are left out, which keeps the front well spread. A network
    keeps its chip. Numbers of the chip that the other study did not search are as large as possible.

    Args:
        sources: Names of studies in `db`, or ``FILE:NAME`` for one in another database.
        db: Database of the new study; need not exist.
        space: Design space of the new study.
        without: Designs to leave out, since the first generation has them already.
        count: Largest number of designs of fronts.
        takes_all: Take every network whose values were all measured, on the front or not, without a limit.

    Raises:
        H4HError: There is no such study, or no network of it that counts belongs to `space`.
    """
    names: list[str] = []
    taken: dict[Genotype, None] = {}
    for place, source in enumerate(sources):
        study, evaluations = _read(source, db)
        names.append(study.name)
        known = {*without, *taken}
        if takes_all:
            measured = [one for one in evaluations if None not in one.values and not one.is_bound]
            new = _shared(source, study, measured, space, kind="measured")
            taken |= dict.fromkeys(genotype for genotype, _ in new if genotype not in known)
            continue
        members = study.front(evaluations)
        first: dict[Genotype, Evaluation] = {}
        for genotype, member in _shared(source, study, members, space, kind="feasible"):
            # A network may be on the front several times, on several chips.
            first.setdefault(genotype, member)
        left = [genotype for genotype in first if genotype not in known]
        room = (count - len(taken)) // (len(sources) - place)
        rows = study.spread([first[genotype] for genotype in left], room)
        taken |= dict.fromkeys(left[row] for row in rows)
    return WarmStart(", ".join(names) + (" (all)" if takes_all else ""), tuple(taken))


def _read(source: str, db: Path) -> tuple[Study, list[Evaluation]]:
    try:
        return read_study(source, db)
    except H4HError as error:
        raise FirstGenerationError(
            f"--warm-start must be STUDY or FILE:STUDY, but got {source!r}: {error}"
        ) from error


def _shared(
    source: str, study: Study, evaluations: Sequence[Evaluation], space: DesignSpace, *, kind: str
) -> list[tuple[Genotype, Evaluation]]:
    """The evaluations whose designs belong to `space`, each with its genotype there.

    Raises:
        FirstGenerationError: There are none.
    """
    if not evaluations:
        raise FirstGenerationError(f"--warm-start {source}: study {study.name!r} has no {kind} network yet")
    other = study.search_space
    shared = [
        (genotype, evaluation)
        for evaluation in evaluations
        if (genotype := _carried(evaluation.genotype, other, space))
    ]
    if not shared:
        owner = "its front" if kind == "feasible" else "it"
        raise FirstGenerationError(
            f"--warm-start {source}: no network of {owner} is in space {space.name!r}; it was searched in "
            f"space {other.name!r}"
        )
    return shared


def _carried(genotype: Genotype, other: DesignSpace, space: DesignSpace) -> Genotype | None:
    """The genotype in `space` of a design of `other`; None if `space` lacks the design."""
    if other.digest == space.digest:
        return genotype
    try:
        return space.encode(other.decode(genotype))
    except (DocumentError, GenotypeError):
        return None
