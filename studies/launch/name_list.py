"""Names that `studies.run` knows: objectives, samplers, NPU models, spaces and chips, with their origin."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from objectives.hardware import known_socs
from objectives.hardware import npu_model as npu_models
from objectives.own_objective import own_objective
from objectives.registry import PLUG_INS as OBJECTIVES
from objectives.registry import built_in_objectives
from search_space import space as spaces
from search_space.errors import H4HError
from search_space.files.plug_ins import PlugIn, PlugInGroup
from studies.samplers import registry as samplers

OWN = "H4H-NAS"
"""Origin of what is built in."""


@dataclass(frozen=True)
class Section:
    """Names of one kind.

    Attributes:
        option: Option of `studies.run` that takes the names.
        built_in: Names of the project itself.
        plug_ins: Names of installed packages; None if packages cannot add any.
        check: Loads the object of a package, and refuses one that cannot be used.
    """

    option: str
    built_in: tuple[str, ...]
    plug_ins: PlugInGroup | None
    check: Callable[[PlugIn], object]


def sections() -> tuple[Section, ...]:
    """All kinds of names, in the order to show."""
    return (
        Section("--objectives", built_in_objectives(), OBJECTIVES, _check_objective),
        Section("--sampler", samplers.built_in_samplers(), samplers.PLUG_INS, _check_callable),
        Section("--npu-model", npu_models.NPU_MODELS, npu_models.PLUG_INS, _check_callable),
        Section("--space", spaces.built_in_spaces(), spaces.PLUG_INS, _check_space),
        Section("--hardware", known_socs(), None, PlugIn.load),
    )


def listed(section: Section) -> Iterator[tuple[str, str]]:
    """Name and origin of everything in `section`. The origin of a plug-in that cannot be used says why."""
    yield from ((name, OWN) for name in section.built_in)
    for plug_in in () if section.plug_ins is None else section.plug_ins.all():
        yield plug_in.name, _origin(plug_in, section)


def _origin(plug_in: PlugIn, section: Section) -> str:
    """Package of a plug-in, and why it cannot be used."""
    if plug_in.name in section.built_in:
        return f"{plug_in.package}: hidden by the one of {OWN}"
    try:
        assert section.plug_ins is not None
        section.plug_ins.find(plug_in.name)
        section.check(plug_in)
    except H4HError as error:
        return f"{plug_in.package}: cannot be used: {error}"
    return f"{plug_in.package} ({plug_in.point.value})"


def _check_objective(plug_in: PlugIn) -> None:
    objective = own_objective(plug_in.load(), plug_in.title)
    if objective.name != plug_in.name:
        raise plug_in.error(f"calls itself {objective.name!r}: give both the same name")


def _check_callable(plug_in: PlugIn) -> None:
    if not callable(item := plug_in.load()):
        raise plug_in.error(f"must be a class or function, but is {item!r:.80}")


def _check_space(plug_in: PlugIn) -> None:
    spaces.load_space(plug_in.name)


def lines() -> Iterator[str]:
    """All names with their origin, one a line, below the option that takes them."""
    entries = {section.option: tuple(listed(section)) for section in sections()}
    width = max(len(name) for rows in entries.values() for name, _ in rows)
    for option, rows in entries.items():
        yield option
        yield from (f"  {name:{width}}  {origin}" for name, origin in rows)


class ListNames(Action):
    """Option that prints all names and ends the command, like `--help`."""

    def __init__(self, option_strings: Any, dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=False, help=help)

    def __call__(self, parser: ArgumentParser, *_: Namespace | Any) -> None:
        """Prints the names and exits with 0."""
        print(*lines(), sep="\n", flush=True)
        parser.exit()
