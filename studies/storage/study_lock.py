"""Study lock: one run of a study at a time.

The lock is a system lock (`flock`) on a file next to the database. It ends with its process, even a killed
one. The file names the holder, for the message only.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studies.storage.database_file import StoreError


@contextmanager
def study_lock(database: Path, study: str) -> Iterator[None]:
    """Keeps other processes from running `study`; the lock file is removed at the end.

    Args:
        database: File of the studies. It need not exist, but its folder must.
        study: Name of the study.

    Raises:
        StoreError: Another process, which the message names, runs the study; or the lock file cannot be
            created or locked.
    """
    path = database.with_name(f".{database.name}-{hashlib.sha256(study.encode()).hexdigest()[:12]}.lock")
    try:
        file = _locked(path)
    except BlockingIOError:
        raise StoreError(
            f"study {study!r} in {database} is being run by {_holder(path)}; wait for it or end it, or start "
            f"another study with another --study name"
        ) from None
    except OSError as error:
        raise StoreError(f"study {study!r} cannot be locked by the file {path} ({error.strerror})") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _locked(path: Path) -> int:
    """Descriptor of the file, locked.

    Raises:
        OSError: The file cannot be created or locked; `BlockingIOError` if another process holds the lock.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file, path):
                with suppress(OSError):  # The disk may be full. The lock also holds without a name.
                    os.ftruncate(file, 0)
                    os.write(file, _this_process())
                return file
        except BaseException:
            os.close(file)
            raise
        # The last holder removed the file between the two calls, so no other process would see this lock.
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether the open file is the one at `path` now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _this_process() -> bytes:
    return json.dumps([os.getpid(), platform.node(), shlex.join(sys.orig_argv)]).encode()


def _holder(path: Path) -> str:
    """The holder of the lock according to the file."""
    try:
        number, machine, command = json.loads(path.read_text())
    except (OSError, ValueError, TypeError):  # It is being written or removed just now.
        return "another process"
    where = "" if machine == platform.node() else f" on {machine}"
    return f"process {number}{where} ({command})"
