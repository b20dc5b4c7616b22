"""The SQLite file of a store: creation, schema, connections, and errors in plain words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search_space.errors import H4HError
from studies.storage.database_lock import lock_holder

APPLICATION_ID = 0x4834484E
"""SQLite application id of a study database ("H4HN")."""
SCHEMA_VERSION = 2
"""Version of the tables, as SQLite's user version."""
BUSY_TIMEOUT_S = 10.0
"""Seconds to wait for a lock of another process."""


class StoreError(H4HError):
    """A database that cannot be read or written."""


def check_writable(path: Path) -> None:
    """Raises `StoreError` if a database at `path` can be neither created nor written."""
    if not path.parent.is_dir():
        raise StoreError(f"database {path}: the folder {path.parent} does not exist")
    # SQLite writes its log next to the file, so the folder has to be writable in either case.
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK, effective_ids=True):
            raise StoreError(f"database {path}: {needed} cannot be written")


def publish(content: bytes, path: Path) -> None:
    """Creates the file whole. If another process was faster, its file stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # A file system without hard links.
            if not path.exists():
                temporary.replace(path)
    except OSError as error:
        raise StoreError(f"database {path} cannot be created ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection to an existing file; one that is not writable changes no byte of it."""
    # A reader of a database in WAL mode creates the log files if there are none, and cannot remove them.
    # Without a log there is no writer, and "immutable" reads the file alone.
    has_log = path.with_name(path.name + "-wal").exists()
    mode = "rw" if writable else "ro" if has_log else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S)
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def verify(path: Path, connection: sqlite3.Connection) -> None:
    """Raises `StoreError` if the file is damaged, no study database, or of another version."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"database {path} is not a study database of H4H-NAS; name another file with --db")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"database {path} has schema version {version}, but this version of H4H-NAS reads "
            f"{SCHEMA_VERSION}"
        )
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise StoreError(f"database {path} is damaged ({result}); it was left as it is")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns errors of SQLite and of damaged rows into a `StoreError` that names the file."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError(
            f"database {path}: a row exists already ({error}); does another process run this study?"
        ) from error
    except sqlite3.OperationalError as error:
        raise StoreError(f"database {path} {_trouble(path, error)}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"database {path} is damaged ({error}); it was left as it is") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"database {path} is damaged (a row cannot be read: {error})") from error


def _trouble(path: Path, error: sqlite3.OperationalError) -> str:
    """The reason why a database cannot be used, and the remedy."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # Higher bits are details.
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"has been locked by {lock_holder(path)} for {BUSY_TIMEOUT_S:g} s; wait for it or end it, and "
            f"repeat the command"
        )
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return (
            f"cannot be read or written ({error}); stored evaluations are safe: free disk space and repeat "
            f"the command"
        )
    return f"cannot be used ({error})"  # Read-only, cannot be opened.
