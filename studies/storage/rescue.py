"""Rescue: save an open database whose file was removed, renamed or replaced."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from search_space.files.whole_file import whole_file
from studies.storage.database_file import StoreError


def rescue(path: Path, connection: sqlite3.Connection, complete: Callable[[Path], object]) -> NoReturn:
    """Copies an open database to a new file, beside its old place if that folder can be written.

    Args:
        path: Name that the database had.
        connection: The open database.
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
        except (OSError, sqlite3.Error, StoreError) as error:
            reason = str(error)
            continue
        # Not by renaming the copy: SQLite would apply the log that is left at the old name to it.
        raise StoreError(
            f"{happened}, so the run stopped; all its evaluations are in {copy}: repeat the command with "
            f"this file as the database (--db {copy})"
        )
    raise StoreError(f"{happened}, so the run stopped; its evaluations could not be saved ({reason})")


def _free_name(folder: Path, path: Path) -> Path:
    """``NAME.rescued.db`` in `folder`, or the next name that is free."""
    number = 1
    while True:
        label = "rescued" if number == 1 else f"rescued-{number}"
        copy = folder / f"{path.stem}.{label}{path.suffix or '.db'}"
        if not copy.exists():
            return copy
        number += 1
