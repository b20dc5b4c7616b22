from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from studies.display import LiveDisplay, PlainDisplay, create_display, status
from studies.search import Progress

PROGRESS = Progress(
    generation=2, evaluations=12, measured=6, front=(), hypervolume=0.25, is_generation_done=False
)


def test_status_says_what_counts_and_the_time_left_by_what_this_run_measured() -> None:
    text = status(PROGRESS, 10, 72, elapsed_s=12.0)
    for part in ("12/72", "generation 2/10", "front 0", "0.2500", "0:02:00 left"):
        assert part in text
    assert "left" not in status(replace(PROGRESS, measured=0), 10, 72, elapsed_s=12.0)
    assert "left" not in status(PROGRESS, 2, 12, elapsed_s=12.0)


def test_plain_lines_come_with_generations_and_after_silence() -> None:
    now = [0.0]

    def steps() -> Iterator[tuple[float, Progress]]:
        yield 1.0, replace(PROGRESS, measured=0, is_generation_done=True)  # From the table: no line.
        yield 2.0, PROGRESS  # The first that this run measured.
        yield 2.5, PROGRESS  # Too soon.
        yield 3.0, replace(PROGRESS, evaluations=13, is_generation_done=True)
        yield 9.0, replace(PROGRESS, evaluations=14)  # Too soon.
        yield 13.5, replace(PROGRESS, evaluations=15)
        yield 14.0, replace(PROGRESS, evaluations=16, is_generation_done=True)
        yield 14.0, replace(PROGRESS, evaluations=16, is_generation_done=True, is_exhausted=True)

    console = Console(file=io.StringIO(), width=40)
    with PlainDisplay(console, generations=10, total=72, clock=lambda: now[0]) as display:
        for now[0], progress in steps():
            display.show(progress)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split("/")[0] for line in lines] == ["12", "13", "15", "16"]


@pytest.mark.parametrize(("is_terminal", "kind"), [(True, LiveDisplay), (False, PlainDisplay)])
def test_live_bar_only_on_a_terminal(is_terminal: bool, kind: type) -> None:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=120)
    display = create_display(console, generations=10, total=72)
    assert isinstance(display, kind)
    with display:
        display.show(replace(PROGRESS, is_generation_done=True))
    assert "12/72" in console.file.getvalue()  # type: ignore[attr-defined]
