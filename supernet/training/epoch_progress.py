"""Progress of an epoch: a live bar on a terminal, a plain line every ten seconds anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search_space.command.progress_lines import Pace, ProgressLines

Show = Callable[[int, str], None]
"""Receives the number of finished steps, and a status such as the loss so far."""


@contextmanager
def epoch_progress(
    console: Console, name: str, *, steps: int, done: int = 0, later: int = 0
) -> Iterator[Show]:
    """Shows the progress of one epoch while its block runs.

    Args:
        console: Output of the progress.
        name: Name of the epoch.
        steps: Number of its steps.
        done: Number of steps that were finished before.
        later: Number of epochs after this one, for the time left.
    """
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(name, total=steps, completed=done, status="")

            def move(finished: int, status: str) -> None:
                bar.update(task, completed=finished, status=status)

            yield move
        return
    pace, shown = Pace(done), ""

    def text() -> str:
        left = steps - pace.done
        in_all = f", in all {pace.left(left + later * steps)}" if later else ""
        status = f", {shown}" if shown else ""
        return f"{name}: step {pace.done:,} of {steps:,}{status}, time left {pace.left(left)}{in_all}"

    def take_in(finished: int, status: str) -> None:
        nonlocal shown
        shown = status
        pace.reach(finished)

    with ProgressLines(console, text):
        yield take_in
