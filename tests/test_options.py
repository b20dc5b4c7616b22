"""Every option of every command is used by a test."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from functools import cache
from pathlib import Path

import pytest

from search_space.command.command_line import Parser
from tests.docs.option_tables import COMMANDS, parser_of

TESTS = Path(__file__).parent
NOT_TESTS = ("docs", "mutation", "test_options.py")
"""Pages name every option, which is not a test of it; the mutation run has options of its own."""


@cache
def written() -> str:
    files = (path for path in TESTS.rglob("*.py") if path.relative_to(TESTS).parts[0] not in NOT_TESTS)
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def unused(parser: ArgumentParser) -> list[str]:
    """Options of `parser` that no test gives to a command."""
    names = (name for action in parser._actions for name in action.option_strings if name.startswith("--"))
    return [name for name in names if not re.search(rf"[\"'\s]{re.escape(name)}[\"'=\s]", written())]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_used(command: str) -> None:
    assert unused(parser_of(command)) == []


def test_an_option_that_no_test_uses_is_noticed() -> None:
    parser = Parser(prog="planted")
    parser.add_argument("--db")
    parser.add_argument("--" + "-".join(("planted", "by", "nobody")))
    assert len(unused(parser)) == 1
