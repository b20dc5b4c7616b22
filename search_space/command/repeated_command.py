"""The command of this process with some options changed, as a user would type it."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Mapping


def repeated_command(parser: ArgumentParser, changes: Mapping[str, str | None]) -> str:
    """The command of this process, quoted for a shell.

    Args:
        parser: Parser of the command; its options take one value each, or none.
        changes: New value of each option, by its name with dashes; None leaves the option out.
    """
    known = tuple(text for action in parser._actions for text in action.option_strings)
    kept: list[str] = []
    skips = False
    for word in sys.argv[1:]:
        if skips:
            skips = False
            continue
        name, is_joined, _ = word.partition("=")
        if _full_name(name, known) in changes:
            skips = not is_joined
            continue
        kept.append(word)
    for name, value in changes.items():
        kept += [] if value is None else [name, value]
    return f"{parser.prog} {shlex.join(kept)}"


def _full_name(word: str, known: tuple[str, ...]) -> str:
    """The option that `word` names or abbreviates; `word` itself where it names none."""
    if not word.startswith("--") or word in known:
        return word
    return next((name for name in known if name.startswith(word)), word)
