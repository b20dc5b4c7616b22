"""Log of a training: a line of JSON after every epoch, and the same numbers for TensorBoard on request."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from search_space.files.event_file import OPTION, EventFile, check_event_folder, scalars
from search_space.files.whole_file import whole_file
from supernet.training.run_folder import LOG


def add_tensorboard(add: Callable[..., object]) -> None:
    """Adds the option ``--tensorboard`` by the `add_argument` of a parser or group."""
    add(
        OPTION,
        type=Path,
        metavar="DIR",
        help="write the numbers of the log to this folder for TensorBoard; needs the package tensorboard",
    )


def check_tensorboard(arguments: Namespace) -> None:
    """Checks the folder of ``--tensorboard``, if it is given.

    Raises:
        EventFileError: The package is not installed, or nothing can be written there.
    """
    if arguments.tensorboard is not None:
        check_event_folder(arguments.tensorboard)


class EpochLog:
    """A context manager that writes a record for each epoch.

    Args:
        folder: Folder of the training.
        tensorboard: Folder of event files for TensorBoard; None for none.
    """

    def __init__(self, folder: Path, tensorboard: Path | None) -> None:
        self._path = folder / LOG
        self._events = None if tensorboard is None else EventFile(tensorboard)
        self._open = ExitStack()

    def __enter__(self) -> EpochLog:
        if self._events is not None:
            self._open.enter_context(self._events)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, record: dict[str, Any]) -> None:
        """Writes the record of an epoch; its number is under ``epoch``.

        Raises:
            EventFileError: The folder for TensorBoard can no longer be written.
        """
        append_epoch(self._path, record)
        if self._events is not None:
            self._events.add(record["epoch"], curves(record))


def curves(record: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's record, without the number of the epoch."""
    return {name: value for name, value in scalars(record).items() if name != "epoch"}


def append_epoch(path: Path, record: dict[str, Any]) -> None:
    """Appends a line to the log and drops lines of the same and later epochs, whose state a kill has lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    earlier = [line for line in lines if json.loads(line)["epoch"] < record["epoch"]]
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in [*earlier, json.dumps(record)]))
