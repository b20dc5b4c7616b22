"""Progress of long work: a live bar on a terminal, a plain line every ten seconds anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from threading import Event, Thread
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import track

EVERY = 10.0
"""Seconds between two lines."""

T = TypeVar("T")


class ProgressLines:
    """Prints a line every `EVERY` seconds while its block runs, however long a single step takes.

    Args:
        console: Output of the lines.
        text: Returns the current line. It is called from another thread.
    """

    def __init__(self, console: Console, text: Callable[[], str]) -> None:
        self._console = console
        self._text = text
        self._ended = Event()
        self._thread = Thread(target=self._print, name="progress lines", daemon=True)

    def _print(self) -> None:
        while not self._ended.wait(EVERY):
            self._console.print(self._text(), soft_wrap=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()


def duration_text(seconds: float) -> str:
    """A duration such as ``1:02:03``, or ``2 days, 1:02:03``."""
    return str(timedelta(seconds=round(seconds)))


class Pace:
    """Speed of steps of equal length, and the time that others will take.

    Args:
        done: Number of steps that were finished before.
        clock: Returns the time in seconds.
    """

    def __init__(self, done: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = self.done = done
        self._clock = clock
        self._start = self._last = clock()

    def reach(self, done: int) -> None:
        """Takes in that `done` steps are finished now."""
        self.done, self._last = done, self._clock()

    def left(self, steps: int) -> str:
        """Time that `steps` more steps take, such as 0:01:20; ``unknown`` before the first is finished."""
        if self.done == self._first:
            return "unknown"
        seconds = (self._last - self._start) / (self.done - self._first) * steps
        return duration_text(seconds)


def tracked(items: Iterable[T], description: str, total: int, console: Console) -> Iterator[T]:
    """Yields `items` and shows how many are finished.

    Args:
        items: Items to work on.
        description: Their name, such as ``images``.
        total: Their number.
        console: Output of the progress.
    """
    if console.is_terminal:
        yield from track(items, description, total, console=console, transient=True)
        return
    pace = Pace()

    def text() -> str:
        return f"{description}: {pace.done:,} of {total:,}, time left {pace.left(total - pace.done)}"

    with ProgressLines(console, text):
        for number, item in enumerate(items, start=1):
            yield item
            pace.reach(number)
