"""Display of one run of `studies.run`: live bar or lines, and the log for programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from rich.console import Console

from studies.launch.live_display import Display, create_display
from studies.launch.progress_log import ProgressLog
from studies.search.search_loop import Progress
from studies.search.stop_rules import StopRules
from studies.study.settings import StudySettings


class RunDisplay:
    """A context manager that shows every progress; it begins with the first one, when a search starts.

    Args:
        console: Console of the display.
        settings: Settings of the study, its name included.
        log: File that progress is appended to; None without a log.
    """

    def __init__(self, console: Console, settings: StudySettings, log: Path | None) -> None:
        self._console = console
        self._settings = settings
        self._log = log
        self._open = ExitStack()
        self._displays: list[Display] = []
        self._last: Progress | None = None

    def __enter__(self) -> RunDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def has_begun(self) -> bool:
        """Whether the search has started."""
        return self._last is not None

    @property
    def last(self) -> Progress:
        """The last progress that was shown."""
        assert self._last is not None, "a search shows its end"
        return self._last

    def show(self, progress: Progress) -> None:
        """Shows the progress of the search."""
        if self._last is None:
            self._start()
        else:
            for display in self._displays:
                display.show(progress)
        self._last = progress

    def _start(self) -> None:
        """Opens the displays: their clocks count from the start of the search, not of the process."""
        rules = StopRules(**self._settings.stop_rules())
        self._displays = [create_display(self._console, rules=rules, population=self._settings.population)]
        if self._log is not None:
            self._displays.append(ProgressLog(self._log, self._settings.study or ""))
        for display in self._displays:
            self._open.enter_context(display)
