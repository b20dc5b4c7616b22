"""Backup: a copy of a database as of one moment, also while a study runs."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from search_space.files.whole_file import whole_file
from studies.storage.copied_study import copy_study
from studies.storage.database_file import StoreError, connect, translated
from studies.storage.file_identity import FileIdentity
from studies.storage.log_files import has_log, log_files
from studies.storage.store import create_store, open_store


def backup(path: Path, copy: Path, studies: Sequence[str] = ()) -> int:
    """Copies a database to a new file, after checking both.

    Args:
        path: The database; a study of it may be running.
        copy: File to write; must not exist.
        studies: Names of the studies to copy; all without any.

    Returns:
        Number of evaluations in the copy.

    Raises:
        StoreError: A file is missing, damaged or there already, or cannot be written.
        UnknownNameError: There is no such study.
    """
    if copy.exists() or copy.is_symlink():
        raise StoreError(f"{copy} exists: name another file for the copy")
    if has_log(copy):
        raise StoreError(
            f"{copy}: {log_files(copy)[0]} lies there, the log of an earlier database of this name: name "
            f"another file for the copy"
        )
    if not copy.parent.is_dir():
        raise StoreError(f"{copy}: the folder {copy.parent} does not exist; make it first")
    with open_store(path) as store:
        for name in studies:
            store.study(name)
        store.studies()
    try:
        with whole_file(copy) as temporary:
            if studies:
                _copy_studies(path, temporary, studies)
            else:
                _copy(path, temporary)
            with open_store(temporary) as store:
                names = [study.name for study in store.studies()]
                count = sum(len(store.evaluations(name)) for name in names)
                for name in names:
                    store.reports(name)
    except OSError as error:
        raise StoreError(f"{copy} cannot be written ({error.strerror})") from error
    return count


def _copy(path: Path, temporary: Path) -> None:
    with translated(path), closing(_source(path)) as source, closing(sqlite3.connect(temporary)) as target:
        before = FileIdentity.of(path)
        with _full_disk_of_copy():
            source.backup(target)  # One read transaction, beside a writer.
        # One file that needs no log beside it.
        target.execute("PRAGMA journal_mode = DELETE")
        if FileIdentity.of(path) != before:
            raise StoreError(f"database {path} was replaced during the copy; repeat the command")


@contextmanager
def _full_disk_of_copy() -> Iterator[None]:
    """Turns SQLite's error of a full disk, which only the copy meets, into the system's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def _copy_studies(path: Path, temporary: Path, names: Sequence[str]) -> None:
    """Copies some studies, in the order of the database."""
    with open_store(path) as source, create_store(temporary) as target:
        for study in source.studies():
            if study.name in names:
                copy_study(source, study.name, target, study.name)
    with closing(sqlite3.connect(temporary)) as connection:
        # One file that needs no log beside it.
        connection.execute("PRAGMA journal_mode = DELETE")


def _source(path: Path) -> sqlite3.Connection:
    """A connection that sees what a running study has written so far."""
    try:
        # A reader that may write takes part in locking even before the first write of a study.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM study").fetchone()
        return connection
    except sqlite3.OperationalError:  # A folder that cannot be written.
        return connect(path, writable=False)
