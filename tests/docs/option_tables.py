"""Tables of options on the reference pages, generated from the commands' own parsers.

    python -m tests.docs.option_tables

rewrites the tables in `docs/reference/commands/`. Run it after changing an option or its help text.
`test_reference.py` fails while a page differs from `--help`.
"""

from __future__ import annotations

import argparse
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from search_space.command.command_line import Parser
from search_space.files.whole_file import whole_file

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference" / "commands"

COMMANDS = (
    "search_space.describe",
    "objectives.describe",
    "objectives.profile",
    "supernet.data",
    "supernet.inspect",
    "supernet.teacher",
    "supernet.label",
    "supernet.train",
    "supernet.evaluate",
    "supernet.finetune",
    "supernet.predict",
    "supernet.bring",
    "supernet.conflict",
    "studies.run",
    "studies.show",
    "studies.compare",
    "studies.report",
    "studies.pick",
    "studies.deploy",
    "studies.validate",
    "studies.export",
    "studies.measure",
    "studies.verify",
    "studies.backup",
    "studies.merge",
    "studies.rename",
    "studies.migrate",
    "studies.worker",
)
"""Commands with a reference page, in the order in which a project uses them."""

BEGIN = "<!-- options of {} -->"
END = "<!-- end of options -->"


class _ParserFoundError(BaseException):
    """Carries the parser out of a command before it does anything. No command catches a `BaseException`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


@cache
def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser with which `python -m COMMAND` reads its options."""

    def give_away(self: argparse.ArgumentParser, *_: Any, **__: Any) -> Any:
        raise _ParserFoundError(self)

    arguments, original = sys.argv, Parser.parse_args
    sys.argv = [command]
    Parser.parse_args = give_away  # type: ignore[method-assign]
    try:
        with warnings.catch_warnings():
            # Another test may have imported the module; it runs anew here, as with `python -m`.
            warnings.simplefilter("ignore", RuntimeWarning)
            runpy.run_module(command, run_name="__main__", alter_sys=True)
    except _ParserFoundError as found:
        return found.parser
    finally:
        sys.argv, Parser.parse_args = arguments, original  # type: ignore[method-assign]
    raise AssertionError(f"{command} ended without parsing its options")


def options_of(command: str) -> frozenset[str]:
    """Long options of a command."""
    return frozenset(
        option
        for action in parser_of(command)._actions
        for option in action.option_strings
        if option.startswith("--")
    )


def page_of(command: str) -> Path:
    """The reference page of a command."""
    return FOLDER / f"{command.replace('.', '-')}.md"


def tables(command: str) -> str:
    """Markdown tables of a command's arguments, one for each group of its help."""
    parser = parser_of(command)
    formatter = parser._get_formatter()
    blocks = []
    for group in parser._action_groups:
        rows = [
            f"| {_cell(action, formatter)} | {_help(action, formatter)} |"
            for action in group._group_actions
            if not isinstance(action, argparse._HelpAction)
        ]
        if rows:
            title = str(group.title)
            heading = f"**{title[0].upper()}{title[1:]}**"
            kind = "argument" if title == "positional arguments" else "option"
            blocks.append("\n".join((heading, "", f"| {kind} | meaning |", "|---|---|", *rows)))
    return "\n\n".join(blocks)


def _cell(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    if not action.option_strings:
        return f"`{formatter._metavar_formatter(action, action.dest)(1)[0]}`"
    if action.nargs == 0:
        return f"`{action.option_strings[-1]}`"
    return f"`{action.option_strings[-1]} {formatter._format_args(action, action.dest.upper())}`"


def _help(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    text = " ".join(formatter._expand_help(action).split()) if action.help else ""
    if action.required and action.option_strings:
        text = f"{text} (required)"
    # `*` and `<` of a help text are meant as they stand, not as Markdown.
    return re.sub(r"([|*<])", r"\\\1", text)


def with_tables(text: str, command: str) -> str:
    """`text` of a page with the tables between its marks renewed."""
    begin = BEGIN.format(command)
    before, mark, rest = text.partition(begin)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise AssertionError(f"the page of {command} needs the lines {begin!r} and {END!r}")
    return f"{before}{begin}\n\n{tables(command)}\n\n{END}{after}"


def outdated() -> Iterator[tuple[Path, str]]:
    """Pages whose tables differ from the help of their command, each with its new text."""
    for command in COMMANDS:
        path = page_of(command)
        text = path.read_text(encoding="utf-8")
        renewed = with_tables(text, command)
        if renewed != text:
            yield path, renewed


def main() -> None:
    for path, text in outdated():
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: tables renewed")


if __name__ == "__main__":
    main()
