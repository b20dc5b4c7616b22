"""Progress lines: plain, in time, and only where there is no terminal."""

from __future__ import annotations

import io
from threading import Event

import pytest
from rich.console import Console

from search_space.command import progress_lines
from search_space.command.progress_lines import Pace, ProgressLines, tracked

PATIENCE = 60.0
"""Seconds after which a test gives up; no test waits that long."""


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(progress_lines, "EVERY", 0.001)
    return Console(file=io.StringIO(), width=20)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_are_printed_while_one_step_runs(console: Console) -> None:
    asked: list[int] = []
    third = Event()

    def text() -> str:
        asked.append(len(asked))
        if len(asked) == 3:
            third.set()
        return f"line {len(asked)} is longer than the terminal"

    with ProgressLines(console, text):
        assert third.wait(PATIENCE)
    lines = written(console).splitlines()
    assert lines[:3] == [f"line {number} is longer than the terminal" for number in (1, 2, 3)]
    assert "\r" not in written(console)
    # None comes after the end.
    assert len(written(console).splitlines()) == len(lines) == len(asked)


def test_error_ends_the_lines(console: Console) -> None:
    lines = ProgressLines(console, lambda: "x")
    with pytest.raises(ValueError, match="step"), lines:
        raise ValueError("step")
    assert not lines._thread.is_alive()


def test_pace_in_closed_form() -> None:
    time = [100.0]
    pace = Pace(done=10, clock=lambda: time[0])
    assert pace.left(5) == "unknown"
    time[0] = 120.0
    pace.reach(14)  # 5 s a step
    assert pace.left(7) == "0:00:35"
    assert pace.left(1000) == "1:23:20"


def test_tracked_items_are_counted(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Event()
    write = Console.print

    def watched(self: Console, *texts: str, **options: bool) -> None:
        write(self, *texts, **options)  # type: ignore[arg-type]
        printed.set()

    monkeypatch.setattr(Console, "print", watched)
    items = tracked("ab", "letters", 2, console)
    assert next(items) == "a"
    assert printed.wait(PATIENCE)
    assert list(items) == ["b"]
    assert written(console).startswith("letters: 0 of 2, time left unknown\n")
    assert "\r" not in written(console)


def test_terminal_has_a_bar_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_lines, "EVERY", 0.0)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    assert list(tracked([1, 2], "numbers", 2, console)) == [1, 2]
    assert "time left" not in written(console)
