"""The write-ahead log beside a database: SQLite's ``-wal`` and ``-shm`` files.

SQLite applies a log to whatever file has the name of its database. A log whose database was renamed or
replaced would overwrite pages of a foreign file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from studies.storage.checked_rows import CheckedRows
from studies.storage.file_identity import FileIdentity

ENDINGS = ("-wal", "-shm")
WAIT_MS = 1000
"""Milliseconds to wait for readers of a log before it is emptied."""


def log_files(path: Path) -> tuple[Path, ...]:
    """Names of the log and of its index beside the database at `path`."""
    return tuple(path.with_name(path.name + ending) for ending in ENDINGS)


def has_log(path: Path) -> bool:
    """Whether a log lies beside the database at `path`."""
    return log_files(path)[0].exists()


def remove_logs(path: Path) -> None:
    """Removes the log of a database that is gone."""
    for log in log_files(path):
        log.unlink(missing_ok=True)


def is_sound_alone(path: Path) -> bool:
    """Whether a log lies beside a database that is sound without it."""
    log = log_files(path)[0]
    try:
        if log.stat().st_size == 0:
            return False
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as alone:
            if alone.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                return False
            CheckedRows(alone, alone.execute("PRAGMA user_version").fetchone()[0]).check_all()
    except (OSError, sqlite3.Error, ValueError, KeyError, TypeError):
        return False
    return True


def disarm_log(path: Path, connection: sqlite3.Connection, logs: tuple[FileIdentity | None, ...]) -> bool:
    """Empties the log of an open database whose file has lost its name, and removes it where no file has it.

    The rows of the log go to the file of the connection, whatever its name is now.

    Args:
        path: Name that the database had.
        connection: The open database.
        logs: Identities of `log_files` when the database was opened.

    Returns:
        False if the log is still there and holds rows.
    """
    if tuple(map(FileIdentity.of, log_files(path))) != logs:
        return True  # The log has moved as well; whatever lies there now belongs to somebody else.
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with suppress(OSError):
        if log_files(path)[0].stat().st_size:
            return False
        if not path.exists():
            remove_logs(path)
    return True
