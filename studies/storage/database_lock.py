"""Identify the process that holds a database lock (Linux only)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

LOCKS = Path("/proc/locks")


def lock_holder(database: Path) -> str:
    """The process that holds SQLite's write lock, in words; "another process" if it is unknown."""
    # In WAL mode the write lock is on the shared-memory file, otherwise on the database.
    for path in (database.with_name(f"{database.name}-shm"), database):
        for process in _writers(path):
            if process != os.getpid():
                return f"process {process}{_command(process)}"
    return "another process"


def user(database: Path) -> str | None:
    """Another process that has the database open, under whatever name; None if there is none, or unknown."""
    others = (process for process in _holders(database) if process != os.getpid())
    return next((f"process {process}{_command(process)}" for process in others), None)


def _writers(path: Path) -> Iterator[int]:
    """Processes with a write lock on a file."""
    return _holders(path, "WRITE")


def _holders(path: Path, *kind: str) -> Iterator[int]:
    """Processes with a lock on a file, of a kind or of any."""
    try:
        inode = path.stat().st_ino
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        # 1: POSIX ADVISORY WRITE 2260 fe:00:2148762 120 120
        words = line.split()
        if set(kind) <= set(words) and words[-3].endswith(f":{inode}"):
            yield int(words[-4])


def _command(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return ""
    return f" ({shlex.join(words)})" if words else ""
