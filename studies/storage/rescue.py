"""Rescue: save an open database whose file was removed, renamed or replaced."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from search_space.files.whole_file import whole_file
from studies.storage.checked_rows import CheckedRows
from studies.storage.database_file import StoreError, resolved
from studies.storage.file_identity import FileIdentity
from studies.storage.log_files import disarm_log, has_log, log_files


def rescue(
    path: Path,
    connection: sqlite3.Connection,
    logs: tuple[FileIdentity | None, ...],
    complete: Callable[[Path], object],
) -> NoReturn:
    """Copies an open database to a new file, beside its old place if that folder can be written.

    The log that stays at the old place is emptied, so that no other file of that name takes it for its own.

    Args:
        path: Name that the database had.
        connection: The open database.
        logs: Identities of its log files when it was opened.
        complete: Adds what the database does not hold yet to the copy.

    Raises:
        StoreError: Always: the run cannot go on. The message names the copy, or says why there is none.
    """
    happened = f"database {path} was removed, renamed or replaced during the run"
    reason = "no folder can be written"
    for folder in (path.parent, Path.cwd(), Path(tempfile.gettempdir())):
        try:
            copy = _free_name(folder, path)
            with whole_file(copy) as temporary:
                with closing(sqlite3.connect(temporary)) as target:
                    connection.backup(target)
                complete(temporary)
                _check(temporary)
        except (OSError, sqlite3.Error, ValueError, StoreError) as error:
            reason = str(error)
            continue
        saved = (
            f"all its evaluations are in {copy}: repeat the command with this file as the database "
            f"(--db {copy})"
        )
        break
    else:
        saved = f"its evaluations could not be saved ({reason})"
    file = resolved(path)
    if not disarm_log(file, connection, logs):
        saved += (
            f"; the log {log_files(file)[0]} of the former file could not be emptied: move it to another "
            f"folder, since SQLite would apply it to whatever file is called {file.name}"
        )
    raise StoreError(f"{happened}, so the run stopped; {saved}")


def _check(copy: Path) -> None:
    """Compares all rows of the copy with their digests."""
    with closing(sqlite3.connect(copy)) as connection:
        CheckedRows(connection).check_all()


def _free_name(folder: Path, path: Path) -> Path:
    """``NAME.rescued.db`` in `folder`, or the next name that is free."""
    number = 1
    while True:
        label = "rescued" if number == 1 else f"rescued-{number}"
        copy = folder / f"{path.stem}.{label}{path.suffix or '.db'}"
        if not copy.exists() and not has_log(copy):
            return copy
        number += 1
