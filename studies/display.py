"""How a running search shows itself: a live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from studies.search import Progress

QUIET_S = 10.0
"""Longest time without a plain line."""


class Display(Protocol):
    """A context manager that is shown every progress of a search."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Shows where the search stands now."""
        ...


def create_display(console: Console, *, generations: int, total: int) -> Display:
    """The display that suits `console`.

    Args:
        console: Where to write.
        generations: Where the search stops.
        total: Evaluations it has then, if the space is not exhausted before.
    """
    kind = LiveDisplay if console.is_terminal else PlainDisplay
    return kind(console, generations=generations, total=total)


class PlainDisplay:
    """One line for the first subnet, one per generation, and one after `QUIET_S` without any.

    Generations that come from the table alone pass in milliseconds and get no line.
    """

    def __init__(
        self, console: Console, *, generations: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._generations = generations
        self._total = total
        self._clock = clock
        self._start = clock()
        # Loading was silent already: the first subnet measured gets a line at once.
        self._last = self._start - QUIET_S

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: Progress) -> None:
        if not progress.measured or progress.is_exhausted:
            return
        now = self._clock()
        if progress.is_generation_done or now - self._last >= QUIET_S:
            self._last = now
            text = status(progress, self._generations, self._total, now - self._start)
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveDisplay:
    """A bar with everything beside it; it stays when the search is over."""

    def __init__(
        self, console: Console, *, generations: int, total: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._generations = generations
        self._total = total
        self._clock = clock
        self._start = clock()
        # Bar and text together fit a terminal of 80 columns.
        self._bar = Bar(BarColumn(bar_width=8), TextColumn("{task.description}"), console=console)
        self._task = self._bar.add_task("first subnets ...", total=total)

    def __enter__(self) -> LiveDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        text = status(progress, self._generations, self._total, self._clock() - self._start)
        text = text.replace(" evaluations", "")
        self._bar.update(self._task, completed=progress.evaluations, description=text)


def status(progress: Progress, generations: int, total: int, elapsed_s: float) -> str:
    """One line: evaluations, generation, front size, hypervolume, time left.

    Time left follows from the subnets measured in this run; those from the table cost nothing.
    """
    text = (
        f"{progress.evaluations}/{total} evaluations · generation {progress.generation}/{generations} · "
        f"front {len(progress.front)} · hypervolume {progress.hypervolume:.4f}"
    )
    left = total - progress.evaluations
    if progress.measured and left > 0:
        seconds = round(elapsed_s / progress.measured * left)
        text += f" · {timedelta(seconds=seconds)} left"
    return text
