"""Fingerprint of a study: everything that decides its result, as named texts.

A study is resumed only if all of them agree. Otherwise its table would mix values that are not comparable.
The stopping rules are not part of the fingerprint: a study may be resumed with larger limits.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib import metadata
from types import MappingProxyType

from objectives.objective import Objective
from search_space.errors import H4HError
from search_space.files.setting_differences import differing
from studies.design_space.design_space import DesignSpace
from studies.study.constraint import Constraint
from studies.study.software import VERSION_OF, Software, fewest_changes, is_version

_DECIDING_PACKAGES = ("h4h-nas", "numpy")
SEARCH_HARDWARE = "search_hardware"
"""Key of the chips that networks may choose from."""
ACCEPT = "--accept-versions"
"""Option that resumes a study with other software."""
_SHOWN_DIGITS = 12
_DIGEST_DIGITS = 64


class FingerprintError(H4HError):
    """A study that cannot be resumed because something that decides its result has changed."""


def fingerprint(
    *,
    space: DesignSpace,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    limited: Sequence[Objective] = (),
    sampler: str,
    population: int,
    seed: int,
    search: Mapping[str, str] = MappingProxyType({}),
    racing: str | None = None,
) -> dict[str, str]:
    """Name and value of everything that decides the result.

    Args:
        space: The design space.
        objectives: The objectives, in order.
        constraints: The constraints, in order.
        limited: Objectives that only a constraint needs.
        sampler: Name of the sampler.
        population: Subnets per generation.
        seed: Random seed.
        search: Everything else that decides which subnets the sampler proposes.
        racing: Rule by which subnets stop early; None without racing.
    """
    parts = {
        "space": space.networks.digest,
        "objectives": ",".join(objective.name for objective in objectives),
        "constraints": ", ".join(map(str, constraints)) or "none",
        "sampler": sampler,
        "population": str(population),
        "seed": str(seed),
        **search,
    }
    if space.chips.genes:
        parts[SEARCH_HARDWARE] = str(space.chips)
    if racing is not None:
        parts["racing"] = racing
    for objective in [*objectives, *limited]:
        for key, value in objective.fingerprint().items():
            # Objectives share a key of equal value (lat and energy: the SoC). If values differ, each
            # objective gets a key of its own.
            name = key if parts.get(key, value) == value else f"{objective.name}.{key}"
            parts[name] = value
    for package in _DECIDING_PACKAGES:
        parts[f"{VERSION_OF}{package}"] = metadata.version(package)
    return parts


def part_of(stored: Mapping[str, str], objective: str, key: str) -> str | None:
    """The part of a fingerprint that belongs to an objective, or None.

    Args:
        stored: As `fingerprint` returns it.
        objective: Name of the objective.
        key: A key of the objective's own fingerprint.
    """
    return stored.get(f"{objective}.{key}", stored.get(key))


def check_same(study: str, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Refuses to resume a study whose fingerprint differs, versions of libraries aside.

    Args:
        study: Name of the study.
        stored: Stored fingerprint of the study.
        current: Fingerprint of this run.

    Raises:
        FingerprintError: They differ. The message names each difference.
    """
    differences = [
        f"{name} {short(stored.get(name))} -> {short(current.get(name))}"
        for name in differing(stored, current)
        if not is_version(name)
    ]
    if not differences:
        return
    remedy = "Repeat the settings it was made with, or start a new study with another --study name"
    changed = [name for name in differing(stored, current) if name in stored and name in current]
    if any(map(_is_cost_model, changed)):
        remedy = (
            f"The cost model of this version costs networks differently: use the version that made the "
            f"study, or start a new one from its front with --study NEW --warm-start {shlex.quote(study)}"
        )
    raise FingerprintError(
        f"study {study!r} was made with other settings: {'; '.join(differences)}. {remedy}"
    )


def _is_cost_model(name: str) -> bool:
    """Whether a part of the fingerprint is the version of the cost model, of one objective or of all."""
    return name.rpartition(".")[2] == "cost_model"


def check_software(study: str, recorded: Sequence[Software], current: Software) -> None:
    """Refuses to resume a study with software that none of its rows was made with.

    Args:
        study: Name of the study.
        recorded: What measured its rows.
        current: What measures now.

    Raises:
        FingerprintError: A library has another version, or the processor is of another kind. The message
            names each difference, and both ways to go on.
    """
    if differences := fewest_changes(recorded, current):
        raise FingerprintError(
            f"study {study!r} was made with other software: {'; '.join(differences)}. Use that again; "
            f"or add {ACCEPT} to go on if all stored rows can be reproduced; or start a new study from its "
            f"front with --study NEW --warm-start {shlex.quote(study)}"
        )


def short(value: str | None) -> str:
    """A digest cut to its first digits; any other text unchanged."""
    if value is None:
        return "absent"
    is_digest = len(value) == _DIGEST_DIGITS and set(value) <= set("0123456789abcdef")
    return value[:_SHOWN_DIGITS] if is_digest else value
