"""Atomic writes: a file is written whole or not at all, also across a power cut."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from search_space.files.regular_file import output_problem


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which is renamed to `path` at the end, or removed on failure.

    The content is on disk before the rename, and the new name is on disk afterwards. The file gets the
    permissions of a new file, as the umask says, whatever the library that writes it prefers.

    Raises:
        OSError: `path` cannot be written, or exists and is no regular file, such as a folder or a device.
    """
    if problem := output_problem(path):
        raise FileExistsError(errno.EEXIST, problem, str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch()
        permissions = stat.S_IMODE(temporary.stat().st_mode)
        temporary.unlink()
        yield temporary
        with suppress(PermissionError):  # Some file systems have no permissions.
            temporary.chmod(permissions)
        _synchronise(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    # Windows cannot open a folder, and some network file systems cannot synchronise one.
    with suppress(OSError):
        _synchronise(path.parent)


def _synchronise(path: Path) -> None:
    """Waits until the content of a file, or the names in a folder, are on disk."""
    file = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
