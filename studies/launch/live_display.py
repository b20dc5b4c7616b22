"""Progress display: a live bar on a terminal, one line per generation elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from studies.search.search_loop import EXHAUSTED, Progress
from studies.search.stop_rules import StopRules
from studies.study.prediction_quality import GenerationReport

QUIET_S = 10.0
"""Seconds without a line after which the next subnet prints one."""
BARS = "▁▂▃▄▅▆▇█"
SPARKS = 8
"""Largest number of generations in the sparkline of the hypervolume."""
BAR_WIDTH = 8
SHORTER = {
    " evaluations": "",
    "generation": "gen",
    "hypervolume": "hv",
    "surrogate, rank correlation ": "τ",
    "nsga2, rank correlation ": "τ",
    "cache hits ": "↺",
    " handed out again": " again",
    " ·": "",
}
"""Abbreviations that make the live line fit a terminal of 80 columns."""


class Display(Protocol):
    """A context manager that displays every progress of a search."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Displays the state of the search."""
        ...


def create_display(console: Console, *, rules: StopRules, population: int) -> Display:
    """Creates the display that suits `console`.

    Args:
        console: Console to write to.
        rules: When the search stops.
        population: Subnets per generation.
    """
    # FORCE_COLOR makes rich call a pipe a terminal. Colours are harmless in a log, an animation is not.
    kind = LiveDisplay if console.is_terminal and console.file.isatty() else PlainDisplay
    return kind(console, rules=rules, population=population)


class PlainDisplay:
    """One line for the first subnet, one per generation, and one after `QUIET_S` seconds without any.

    Generations that are read from the database take milliseconds and get no line.
    """

    def __init__(
        self,
        console: Console,
        *,
        rules: StopRules,
        population: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._rules = rules
        self._population = population
        self._clock = clock
        self._start = clock()
        # Loading was silent, so the first measured subnet gets a line at once.
        self._last = self._start - QUIET_S

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: Progress) -> None:
        if not progress.measured or progress.stopped_by == EXHAUSTED:
            return
        now = self._clock()
        is_news = progress.is_generation_done or progress.stopped_by is not None
        if is_news or now - self._last >= QUIET_S:
            self._last = now
            text = status(progress, self._rules, self._population, now - self._start)
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class LiveDisplay:
    """A bar with all figures and a sparkline of the hypervolume; it stays after the search."""

    def __init__(
        self,
        console: Console,
        *,
        rules: StopRules,
        population: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._population = population
        self._clock = clock
        self._start = clock()
        self._hypervolumes: list[float] = []
        self._report: GenerationReport | None = None
        self._console = console
        columns = (BarColumn(bar_width=BAR_WIDTH), TextColumn("{task.description}", markup=False))
        self._bar = Bar(*columns, console=console)
        self._task = self._bar.add_task("first subnets ...", total=rules.total(population))

    def __enter__(self) -> LiveDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        if progress.is_generation_done and progress.stopped_by != EXHAUSTED:
            self._hypervolumes.append(progress.hypervolume)
        self._report = progress.report or self._report
        progress = replace(progress, report=self._report)  # Keeps the report visible with the next subnet.
        text = status(progress, self._rules, self._population, self._clock() - self._start)
        for long, short in SHORTER.items():
            text = text.replace(long, short)
        # Columns left behind the bar, the line and a space on either side.
        room = self._console.width - BAR_WIDTH - 1 - len(text) - 1
        text += f" {sparkline(self._hypervolumes, min(room, SPARKS))}" if room > 0 else ""
        total = self._rules.total(self._population * progress.designs_per_network)
        self._bar.update(self._task, total=total, completed=progress.evaluations, description=text)


def status(progress: Progress, rules: StopRules, population: int, elapsed_s: float) -> str:
    """One line: evaluations, generation, front size, hypervolume, cache hits, pace, time left.

    Pace and time left follow from the subnets measured in this run; those from the database take no time.
    """
    total = rules.total(population * progress.designs_per_network)
    parts = [
        f"{progress.evaluations}{_limit_text(total)} evaluations",
        f"generation {progress.generation}{_limit_text(rules.generations)}",
        f"front {len(progress.front)}",
        f"hypervolume {progress.hypervolume:.4f}",
    ]
    if progress.report is not None and progress.report.rank_correlation is not None:
        parts.append(str(progress.report))
    if progress.cache_hits:
        parts.append(f"cache hits {progress.cache_hits}")
    if rules.patience is not None:
        parts.append(f"no gain {progress.idle}/{rules.patience}")
    if progress.cluster is not None and progress.measured:
        parts.append(str(progress.cluster))
    if progress.measured and elapsed_s > 0:
        pace = progress.measured / elapsed_s
        parts.append(f"{pace:.3g}/s")
        left_s = [] if total is None else [(total - progress.evaluations) / pace]
        left_s += [] if rules.minutes is None else [60 * rules.minutes - elapsed_s]
        if left_s and min(left_s) > 0:
            parts.append(f"{timedelta(seconds=round(min(left_s)))} left")
    return " · ".join(parts)


def sparkline(values: Sequence[float], most: int = SPARKS) -> str:
    """The last `most` values as bars, scaled from their lowest to their highest."""
    shown = values[-most:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    top = len(BARS) - 1
    return "".join(BARS[round((value - low) / (high - low) * top) if high > low else 0] for value in shown)


def _limit_text(limit: int | None) -> str:
    return "" if limit is None else f"/{limit}"
