"""Command line of `studies.run`: one option for each field of `StudySettings`, and the files it writes to."""

from __future__ import annotations

from argparse import _ArgumentGroup
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from search_space.command.command_line import Parser
from studies.samplers.registry import known_samplers
from studies.storage.named_study import add_database
from studies.study.fingerprint import ACCEPT
from studies.study.setting_field import kinds, option_of, setting_of
from studies.study.settings import WHERE, StudySettings

NAMES: Mapping[str, Callable[[], Sequence[str]]] = {"sampler": known_samplers}
"""Choices of settings whose names are known to packages that import the settings, not the reverse."""


@dataclass(frozen=True)
class RunOptions:
    """A parsed command line of `studies.run`.

    Attributes:
        settings: Settings of the study.
        database: File of the study.
        log: File that progress is appended to; None without a log.
        accept_versions: Whether a study may go on with other software than its rows were made with.
    """

    settings: StudySettings
    database: Path
    log: Path | None
    accept_versions: bool = False


def parse_options(arguments: Sequence[str] | None = None) -> RunOptions:
    """The options of a command line, by default that of this process.

    Raises:
        H4HError: A setting is not allowed.
    """
    values = vars(parser().parse_args(arguments))
    given = {item.name: values[item.name] for item in fields(StudySettings) if values[item.name] is not None}
    return RunOptions(StudySettings(**given), values["db"], values["log_json"], values["accept_versions"])


def parser() -> Parser:
    """The command line of `studies.run`."""
    result = Parser(
        prog="python -m studies.run",
        description="Search a space for Pareto-optimal networks. Run the same command again to resume.",
        epilog="example: python -m studies.run --objectives acc,lat,energy --constraint 'lat<=2ms'",
    )
    groups: dict[str, _ArgumentGroup] = {}
    kind_by_name = kinds(StudySettings)
    for item in fields(StudySettings):
        title = setting_of(item).group
        if title not in groups:
            groups[title] = result.add_argument_group(title)
        _add(groups[title], item, kind_by_name[item.name])
    add = groups[WHERE].add_argument
    add_database(add)
    add("--log-json", type=Path, metavar="FILE", help="append progress to this file, a JSON object per line")
    add(
        ACCEPT,
        action="store_true",
        help="resume with other versions of libraries or on another kind of processor, if all stored rows "
        "can be reproduced",
    )
    return result


def _add(group: _ArgumentGroup, item: Field[Any], kind: type) -> None:
    """Adds the option of one setting; its value is checked by `StudySettings`."""
    details = setting_of(item)
    text = details.help
    if item.name in NAMES:
        text += f": one of {', '.join(NAMES[item.name]())}"
    if item.default not in (None, (), False):
        default: Any = item.default
        if details.separator is not None:
            default = details.separator.join(default)
        text += f" (default: {default})"
    text = text.replace("%", "%%")
    option = option_of(item)
    if kind is bool:
        group.add_argument(option, dest=item.name, action="store_true", default=item.default, help=text)
        return
    metavar = f"{{{','.join(details.choices)}}}" if details.choices else details.metavar
    if details.count is not None:
        names = tuple((details.metavar or "").split())
        group.add_argument(option, dest=item.name, nargs=details.count, metavar=names, help=text)
        return
    is_repeated = kind is tuple and details.separator is None
    group.add_argument(
        option,
        dest=item.name,
        action="append" if is_repeated else "store",
        type=kind if kind in (int, float) else str,
        default=None if is_repeated else item.default,
        metavar=metavar,
        help=text,
    )
