"""Display of one run of `studies.run`: live bar or lines, and the log for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from rich.console import Console

from search_space.files.event_file import OPTION as TENSORBOARD
from search_space.files.event_file import check_event_folder
from studies.launch.live_display import Display, create_display
from studies.launch.progress_events import ProgressEvents
from studies.launch.progress_log import OPTION as LOG_JSON
from studies.launch.progress_log import ProgressLog, check_log
from studies.search.search_loop import Progress
from studies.search.stop_rules import StopRules
from studies.study.settings import StudySettings

_CHECKS: Mapping[str, Callable[[Path], None]] = {LOG_JSON: check_log, TENSORBOARD: check_event_folder}
_LOGS: Mapping[str, Callable[[Path, str], Display]] = {LOG_JSON: ProgressLog, TENSORBOARD: ProgressEvents}
"""Logs by option: what checks a file or folder, and what writes to it for a study."""


def check_logs(logs: Mapping[str, Path]) -> None:
    """Checks that all logs can be written; writes nothing.

    Args:
        logs: File or folder of each log, by option.

    Raises:
        H4HError: One cannot be written.
    """
    for option, path in logs.items():
        _CHECKS[option](path)


class RunDisplay:
    """A context manager that shows every progress; it begins with the first one, when a search starts.

    Args:
        console: Console of the display.
        settings: Settings of the study, its name included.
        logs: File or folder of each log, by option.
    """

    def __init__(self, console: Console, settings: StudySettings, logs: Mapping[str, Path]) -> None:
        self._console = console
        self._settings = settings
        self._logs = logs
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
        study = self._settings.study or ""
        self._displays += [_LOGS[option](path, study) for option, path in self._logs.items()]
        for display in self._displays:
            self._open.enter_context(display)
