"""The SQLite file of a store: creation, schema, connections, and errors in plain words."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from search_space.command.printed_command import local_command
from search_space.errors import H4HError
from search_space.files.regular_file import file_problem
from search_space.files.whole_file import whole_file
from search_space.files.writable_folder import folder_problem
from studies.storage.database_lock import lock_holder, user
from studies.storage.log_files import has_log, is_sound_alone, log_files, remove_logs
from studies.storage.row_digest import DigestError
from studies.storage.schema import (
    APPLICATION_ID,
    EARLIER_VERSIONS,
    SCHEMA_VERSION,
    SOFTWARE_OF_ROW,
    STATEMENTS,
    WITHOUT_DIGESTS,
)

BUSY_TIMEOUT_S = 10.0
"""Seconds to wait for a lock of another process."""
_HAS_EFFECTIVE_IDS = os.access in os.supports_effective_ids
"""Whether the system tells the user who runs a program from the one it runs as; Windows does not."""


class StoreError(H4HError):
    """A database that cannot be read or written."""


def resolved(path: Path) -> Path:
    """The file that `path` leads to through symbolic links; it need not exist.

    Raises:
        StoreError: The links form a circle, or the path is a URL or SQLite's name of a database in memory.
    """
    if path.name == ":memory:" or re.match(r"[a-z][a-z+]+:/", path.as_posix()):
        raise StoreError(f"database {path}: studies live in a file; give its path, such as studies.db")
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python before 3.13 raises RuntimeError for a circle.
        raise StoreError(f"database {path}: its symbolic links lead nowhere; name another file") from error


def check_writable(path: Path) -> None:
    """Raises `StoreError` if a database at `path` cannot be created or written, or has hard links."""
    given, path = path, resolved(path)
    if not path.parent.is_dir():
        raise StoreError(f"database {given}: the folder {given.parent} does not exist")
    # SQLite writes its log next to the file, so the folder has to be writable in either case.
    if problem := folder_problem(path.parent):
        raise StoreError(f"database {path}: {problem}; name a file in another folder")
    if path.exists() and not os.access(path, os.W_OK, effective_ids=_HAS_EFFECTIVE_IDS):
        raise StoreError(f"database {path}: it cannot be written; change its permissions, or copy it")
    if path.exists():
        check_single_name(path)


def check_regular(path: Path) -> None:
    """Raises `StoreError` if there is no regular file at `path`."""
    if problem := file_problem(path):
        raise StoreError(f"database {path} {problem}; name a database of studies")


def check_single_name(path: Path) -> None:
    """Raises `StoreError` if the file has further names (hard links), which a lock beside it cannot cover."""
    check_regular(path)
    if (names := path.stat().st_nlink) > 1:
        raise StoreError(
            f"database {path} has {names} names (hard links), and a run under another name would go "
            f"unnoticed: remove the other names, or work on a copy by `python -m studies.backup`"
        )


def check_readable(path: Path) -> None:
    """Checks that reading the file at `path` shows all that was stored.

    Raises:
        StoreError: It is no regular file, or in use under another name, beside which its log lies.
    """
    check_regular(path)
    path = resolved(path)
    if path.stat().st_nlink > 1 and not has_log(path) and (process := user(path)):
        raise StoreError(
            f"database {path} is in use under another name (a hard link) by {process}, and what that process "
            f"stores cannot be seen here: name the file as that process does"
        )


def publish(content: bytes, path: Path) -> None:
    """Creates the file whole. If another process was faster, its file stays."""
    lock = FileLock(path.with_name(f".{path.name}-new.lock"), timeout=BUSY_TIMEOUT_S)
    try:
        with lock:
            if not path.exists():
                # SQLite would apply the log of a file that was removed to the new one.
                remove_logs(path)
                with whole_file(path) as temporary:
                    temporary.write_bytes(content)
            with suppress(OSError):  # Windows keeps a file that is open.
                Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        raise StoreError(
            f"database {path}: another process has been creating it for {BUSY_TIMEOUT_S:g} s; end it and "
            f"remove {lock.lock_file}"
        ) from None
    except OSError as error:
        raise StoreError(f"database {path} cannot be created ({error.strerror})") from error


def publish_empty(path: Path) -> None:
    """Creates a database without studies; for errors see `publish`."""
    with translated(path), closing(sqlite3.connect(":memory:")) as connection:
        with connection:
            for statement in STATEMENTS:
                connection.execute(statement)
        publish(connection.serialize(), resolved(path))


def problems_of(connection: sqlite3.Connection, tables: Iterable[str]) -> list[str]:
    """Damage of a file that reading its studies would not show: broken indices, rows of no study."""
    lines = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    problems = [] if lines == ["ok"] else lines
    for table in tables:
        if table == "study":
            continue
        strays = connection.execute(
            f"SELECT count(*) FROM {table} WHERE study NOT IN (SELECT id FROM study)"
        ).fetchone()[0]
        problems += [f"{strays} rows of {table} belong to no study"] if strays else []
    return problems


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection to an existing file; one that is not writable changes no byte of it."""
    path = resolved(path)  # The log lies beside the file itself, not beside a symbolic link to it.
    # A reader of a database in WAL mode creates the log files if there are none, and cannot remove them.
    # Without a log there is no writer, and "immutable" reads the file alone.
    mode = "rw" if writable else "ro" if has_log(path) else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S)
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("SELECT count(*) FROM study").fetchone()  # Creates the log.
    return connection


def verify(path: Path, connection: sqlite3.Connection) -> int:
    """The version of the file's tables: `SCHEMA_VERSION` or one of `EARLIER_VERSIONS`.

    Raises:
        StoreError: The file is damaged, no study database, or of another version.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise damaged(path, "is not a study database of H4H-NAS; name another file with --db")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version not in (SCHEMA_VERSION, *EARLIER_VERSIONS):
        raise StoreError(
            f"database {path} has schema version {version}, but this version of H4H-NAS reads "
            f"{', '.join(map(str, (SCHEMA_VERSION, *EARLIER_VERSIONS)))}"
        )
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise damaged(path, f"is damaged ({result}); it was left as it is")
    names = {row[1] for row in connection.execute("PRAGMA table_info(evaluation)")}
    expected = (version != WITHOUT_DIGESTS, version == SCHEMA_VERSION)
    if ("digest" in names, SOFTWARE_OF_ROW in names) != expected:
        raise StoreError(f"database {path} is damaged (its version disagrees with its tables)")
    return version


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
        raise damaged(path, f"is damaged ({error}); it was left as it is") from error
    except DigestError as error:
        raise damaged(
            path,
            f"is damaged ({error}); it was left as it is: restore a backup, and see what else is affected "
            f"with `{local_command('studies.verify', [str(path.absolute())])}`",
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, f"is damaged (a row cannot be read: {error})") from error


def damaged(path: Path, problem: str) -> StoreError:
    """The error of a database whose content is wrong.

    Args:
        path: The database.
        problem: What is wrong; for where the file itself is, rather than a foreign log beside it.
    """
    file = resolved(path)
    if is_sound_alone(file):
        logs = " and ".join(log.name for log in log_files(file) if log.exists())
        return StoreError(
            f"database {path} is sound, but the log beside it belongs to an earlier file of this name and "
            f"would overwrite its rows: move {logs} to another folder, and repeat the command"
        )
    if file.exists() and (names := file.stat().st_nlink) > 1:
        problem += f"; it has {names} names (hard links), and a log beside another one may hold newer rows"
    return StoreError(f"database {path} {problem}")


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
    log = log_files(path)[0]
    if kind == sqlite3.SQLITE_CANTOPEN and log.exists() and not os.access(path.parent, os.W_OK):
        return (
            f"cannot be read in a folder that you cannot write, because part of it is in its log {log.name}: "
            f"copy both files to a folder of your own"
        )
    return f"cannot be used ({error})"  # Read-only, cannot be opened.
