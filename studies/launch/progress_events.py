"""Progress of a search for TensorBoard: hypervolume and other numbers over the evaluations."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from search_space.files.event_file import EventFile, scalars
from studies.launch.progress_log import progress_record
from studies.search.search_loop import Progress

_STEP = "evaluations"


class ProgressEvents:
    """Writes the numbers of each progress that added evaluations; the step is the number of evaluations.

    Args:
        folder: Folder of all studies; each has a run of its own below it.
        study: Name of the study.
    """

    def __init__(self, folder: Path, study: str) -> None:
        self._study = study
        self._measured = 0
        self._file = EventFile(folder / quote(study, safe=""))

    def __enter__(self) -> ProgressEvents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def show(self, progress: Progress) -> None:
        """Writes the numbers of `progress`.

        Raises:
            EventFileError: The file cannot be written.
        """
        if progress.measured == self._measured:
            return
        self._measured = progress.measured
        values = scalars(progress_record(self._study, progress))
        self._file.add(progress.evaluations, {name: x for name, x in values.items() if name != _STEP})
