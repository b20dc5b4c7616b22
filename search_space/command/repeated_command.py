"""The command of this process with some options changed, as a user would type it."""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser
from collections.abc import Mapping
from pathlib import Path

from search_space.command.printed_command import local_command

FILES = (".yaml", ".yml", ".safetensors")
"""Endings of files that stand where a name may stand as well."""


def repeated_command(parser: ArgumentParser, changes: Mapping[str, str | None]) -> str:
    """The command of this process, quoted for a shell, with absolute paths: it runs from any folder.

    Args:
        parser: Parser of the command; its options take one value each, or none.
        changes: New value of each option, by its name with dashes; None leaves the option out.
    """
    actions = {text: action for action in parser._actions for text in action.option_strings}
    kept: list[str] = []
    option = ""
    for word in sys.argv[1:]:
        if option:
            kept += [] if option in changes else [_absolute(actions[option], word)]
            option = ""
            continue
        start, is_joined, value = word.partition("=")
        name = _full_name(start, tuple(actions))
        if name in actions and actions[name].nargs != 0 and not is_joined:
            option = name
        if name in changes:
            continue
        if is_joined and name in actions:
            word = f"{start}={_absolute(actions[name], value)}"
        kept.append(word)
    for name, changed in changes.items():
        kept += [] if changed is None else [name, _absolute(actions[name], changed)]
    return local_command(parser.prog.removeprefix("python -m "), kept)


def _absolute(action: Action, value: str) -> str:
    """A value of an option, as an absolute path if it names a file or folder."""
    is_file = value.endswith(FILES) and Path(value).exists()
    return str(Path(value).absolute()) if action.type is Path or is_file else value


def _full_name(word: str, known: tuple[str, ...]) -> str:
    """The option that `word` names or abbreviates; `word` itself where it names none."""
    if not word.startswith("--") or word in known:
        return word
    return next((name for name in known if name.startswith(word)), word)
