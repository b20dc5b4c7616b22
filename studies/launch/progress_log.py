"""Progress log for programs: one JSON object per line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from search_space.errors import H4HError
from search_space.files.regular_file import output_problem
from search_space.files.writable_folder import folder_problem
from studies.search.search_loop import Progress

OPTION = "--log-json"


class LogError(H4HError):
    """A log that cannot be written."""


def check_log(path: Path) -> None:
    """Raises `LogError` if `path` can be neither created nor appended to; writes nothing."""
    if not path.parent.is_dir():
        raise LogError(f"{OPTION} {path}: the folder {path.parent} does not exist")
    # Lines may go to a device such as /dev/stderr. Opening a FIFO would wait for its reader.
    if (problem := output_problem(path)) and not path.is_char_device():
        raise LogError(f"{OPTION} {path} {problem}; name a file")
    if path.exists():
        problem = None if os.access(path, os.W_OK) else "cannot be written"
    else:
        problem = folder_problem(path.parent)
    if problem:
        raise LogError(f"{OPTION} {path}: {problem}; name another file")


def progress_record(study: str, progress: Progress) -> dict[str, object]:
    """The log entry of `progress`, without the time."""
    report = progress.report
    predicted = (
        {} if report is None else {"source": report.source, "rank_correlation": report.rank_correlation}
    )
    cluster = progress.cluster
    measured_by = (
        {}
        if cluster is None
        else {
            "workers": cluster.workers,
            "threads": cluster.threads,
            "parts_handed_again": cluster.handed_again,
            "subnets_per_second": {
                address: round(speed, 3) for address, speed in cluster.subnets_per_second.items()
            },
        }
    )
    return {
        "study": study,
        "generation": progress.generation,
        "evaluations": progress.evaluations,
        "measured": progress.measured,
        "cache_hits": progress.cache_hits,
        "front_size": len(progress.front),
        "hypervolume": progress.hypervolume,
        "generation_done": progress.is_generation_done,
        "idle_generations": progress.idle,
        "stopped_by": progress.stopped_by,
        **predicted,
        **measured_by,
    }


class ProgressLog:
    """Appends to a file; each line is complete when `show` returns.

    Args:
        path: The file; created if there is none.
        study: Name of the study.
    """

    def __init__(self, path: Path, study: str) -> None:
        self._path = path
        self._study = study

    def __enter__(self) -> ProgressLog:
        with self._translated():
            self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._translated():
            self._file.close()

    def show(self, progress: Progress) -> None:
        """Adds a line, unless the progress comes from the database alone and the search continues.

        Raises:
            LogError: The file can no longer be written.
        """
        if not progress.measured and progress.stopped_by is None:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"time": time, **progress_record(self._study, progress)}
        with self._translated():
            self._file.write(json.dumps(record, allow_nan=False) + "\n")
            self._file.flush()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LogError(f"{OPTION} {self._path}: cannot be written ({error.strerror})") from error
