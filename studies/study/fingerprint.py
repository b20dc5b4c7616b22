"""What decides the result of a study, as named texts.

A study goes on only where all of them agree; else its table would hold values that do not belong together.
When it stops (`studies.search.stop_rules`) is not among them: larger limits go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from types import MappingProxyType

from objectives.objective import Objective
from search_space.errors import H4HError
from search_space.files.setting_differences import differing
from search_space.space import Space
from studies.design_space.joint_space import JointSpace, networks_of
from studies.study.constraint import Constraint

_DECIDING_PACKAGES = ("h4h-nas", "numpy")
SEARCH_HARDWARE = "search_hardware"
"""Key under which the chips stand that networks may choose from."""
_SHOWN_DIGITS = 12
_DIGEST_DIGITS = 64


class FingerprintError(H4HError):
    """A study that cannot go on because something that decides its result has changed."""


def fingerprint(
    *,
    space: Space,
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
        space: What is searched.
        objectives: What is optimised, in order.
        constraints: What makes a subnet feasible, in order.
        limited: Objectives that only a constraint needs.
        sampler: Its name.
        population: Subnets per generation.
        seed: Of the sampler.
        search: What else decides which subnets the sampler asks for.
        racing: By what rule subnets stop early, if they do.
    """
    parts = {
        "space": networks_of(space).digest,
        "objectives": ",".join(objective.name for objective in objectives),
        "constraints": ", ".join(map(str, constraints)) or "none",
        "sampler": sampler,
        "population": str(population),
        "seed": str(seed),
        **search,
    }
    if isinstance(space, JointSpace):
        parts[SEARCH_HARDWARE] = str(space.hardware)
    if racing is not None:
        parts["racing"] = racing
    for objective in [*objectives, *limited]:
        for key, value in objective.fingerprint().items():
            # Two objectives that share a key mean the same thing by it (lat and energy: the SoC); where
            # they do not, each gets a key of its own.
            name = key if parts.get(key, value) == value else f"{objective.name}.{key}"
            parts[name] = value
    for package in _DECIDING_PACKAGES:
        parts[f"version of {package}"] = metadata.version(package)
    return parts


def part_of(stored: Mapping[str, str], objective: str, key: str) -> str | None:
    """What a fingerprint holds of an objective under `key`, or None.

    Args:
        stored: As `fingerprint` makes it.
        objective: Name of the objective.
        key: One of those of its own fingerprint.
    """
    return stored.get(f"{objective}.{key}", stored.get(key))


def check_same(study: str, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Refuses to go on with a study whose fingerprint differs.

    Args:
        study: Its name.
        stored: Fingerprint it was made with.
        current: Fingerprint of this run.

    Raises:
        FingerprintError: They differ; the message names each difference.
    """
    differences = [
        f"{name} {short(stored.get(name))} -> {short(current.get(name))}"
        for name in differing(stored, current)
    ]
    if differences:
        raise FingerprintError(
            f"study {study!r} was made with other settings: {'; '.join(differences)}. Repeat the settings "
            f"it was made with, or start a new study with another --study name"
        )


def short(value: str | None) -> str:
    """A digest cut to what a person can compare; anything else as it is."""
    if value is None:
        return "absent"
    is_digest = len(value) == _DIGEST_DIGITS and set(value) <= set("0123456789abcdef")
    return value[:_SHOWN_DIGITS] if is_digest else value
