"""Scalars in event files, which TensorBoard shows. Needs the optional package `tensorboard`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from search_space.errors import H4HError
from search_space.files.writable_folder import folder_problem

PACKAGE = "tensorboard"
OPTION = "--tensorboard"


class EventFileError(H4HError):
    """Event files that cannot be written."""


def check_event_folder(folder: Path) -> None:
    """Checks that event files can be written into `folder`; leaves nothing behind.

    Raises:
        EventFileError: The package is not installed, or `folder` can be neither created nor written to.
    """
    if find_spec(PACKAGE) is None:
        raise EventFileError(f"{OPTION} needs the package {PACKAGE}: pip install {PACKAGE}")
    if problem := folder_problem(folder):
        raise EventFileError(f"{OPTION} {folder}: {problem}; name another folder")


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a record by name; those of an inner mapping as ``outer/inner``.

    Example:
        >>> scalars({"epoch": 2, "loss": {"largest": 0.5}, "phase": "both", "done": True})
        {'epoch': 2.0, 'loss/largest': 0.5}
    """
    numbers: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            numbers |= {f"{name}/{inner}": number for inner, number in scalars(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers[name] = float(value)
    return numbers


class EventFile:
    """An event file in a folder. It is created by the first step, so that a run without steps leaves none.

    Steps of earlier files in the folder that lie at or behind the first step of this one are hidden by
    TensorBoard: a killed run may have written them before it resumed.

    Args:
        folder: The folder; created if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def __enter__(self) -> EventFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            with self._translated():
                self._writer.close()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Writes values of one step by name; they are on disk when this returns.

        Raises:
            EventFileError: The file cannot be written.
        """
        # The package takes a second to import. These are the classes that torch.utils.tensorboard uses.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        now = time.time()
        with self._translated():
            if self._writer is None:
                self._writer = EventFileWriter(str(self._folder))
                started = SessionLog(status=SessionLog.START)
                self._writer.add_event(Event(wall_time=now, step=step, session_log=started))
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values.items()])
            self._writer.add_event(Event(wall_time=now, step=step, summary=summary))
            self._writer.flush()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EventFileError(f"{OPTION} {self._folder}: cannot be written ({error.strerror})") from error
