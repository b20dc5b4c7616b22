"""Study lock: one run of a study at a time.

The lock is a system lock on a file next to the database, held by `filelock`. It ends with its process, even a
killed one. Symbolic links lead to the same lock, since it lies beside the file itself. The lock file names
the holder, for the message only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from studies.storage.database_file import StoreError, check_single_name, resolved

WAIT_S = 0.2
"""Seconds to wait for a lock, which its last holder may be giving back."""


@contextmanager
def study_lock(database: Path, study: str) -> Iterator[None]:
    """Keeps other processes from running `study`; the lock file is removed at the end.

    Args:
        database: File of the studies. It need not exist, but its folder must.
        study: Name of the study.

    Raises:
        StoreError: Another process, which the message names, runs the study; the lock file cannot be created
            or locked; or the database has hard links.
    """
    file = resolved(database)
    if not file.parent.is_dir():
        raise StoreError(f"study {study!r} cannot be locked: the folder {file.parent} does not exist")
    if file.exists():
        check_single_name(file)
    path = file.with_name(f".{file.name}-{hashlib.sha256(study.encode()).hexdigest()[:12]}.lock")
    lock = FileLock(path, timeout=WAIT_S, mode=0o644)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of a soft lock, which `_holder` explains where it matters.
            lock.acquire()
    except Timeout:
        raise StoreError(
            f"study {study!r} in {database} is being run by {_holder(path, lock)}; wait for it or end it, or "
            f"start another study with another --study name"
        ) from None
    except OSError as error:
        raise StoreError(f"study {study!r} cannot be locked by the file {path} ({error.strerror})") from error
    try:
        if not isinstance(lock, SoftFileLock):
            with suppress(OSError):  # The disk may be full. The lock also holds without a name.
                path.write_bytes(_this_process())
        yield
    finally:
        # Removed while it is held: who waits for this file finds that it has no name, and makes a new one.
        if not isinstance(lock, SoftFileLock):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()


def _this_process() -> bytes:
    return json.dumps([os.getpid(), platform.node(), shlex.join(sys.orig_argv)]).encode()


def _holder(path: Path, lock: BaseFileLock) -> str:
    """The holder of the lock according to the file, and the remedy for a lock that survives its process."""
    try:
        number, machine, command = json.loads(path.read_text())
    except (OSError, ValueError, TypeError):  # It is being written or removed just now, or a soft lock.
        if isinstance(lock, SoftFileLock):
            return (
                f"another process, according to {path} (this file system has no locks of its own: remove "
                f"that file if no process runs the study)"
            )
        return "another process"
    where = "" if machine == platform.node() else f" on {machine}"
    return f"process {number}{where} ({command})"
