"""A command's `main`, called as a shell calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import pytest

from search_space.command.command_line import run_command


class Ended(NamedTuple):
    """How a command ended: its exit code, and what it wrote."""

    code: object
    out: str
    err: str


class Call(Protocol):
    """One command with these arguments."""

    def __call__(self, *arguments: str) -> Ended: ...


class Command:
    """Any command, in this process, with `sys.argv` and streams of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, main: Callable[[], None], *arguments: str) -> Ended:
        self._monkeypatch.setattr("sys.argv", [main.__module__, *arguments])
        with pytest.raises(SystemExit) as ended:
            run_command(main)
        return Ended(ended.value.code, *self._capsys.readouterr())
