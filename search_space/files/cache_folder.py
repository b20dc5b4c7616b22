"""Cache folder for tables and decoded images that take long to compute."""

from __future__ import annotations

import atexit
import errno
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from search_space.errors import H4HError
from search_space.files.regular_file import output_problem
from search_space.files.writable_folder import folder_problem

VARIABLE = "H4H_CACHE"


def cache_folder() -> Path:
    """Folder that `H4H_CACHE` names, else the user's cache folder; it may not exist yet.

    A user without a home that can be written gets a folder that lasts as long as the process.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        base = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(base) if base else Path.home() / ".cache") / "h4h-nas"
    except RuntimeError:  # A user id without an entry in the list of users, as in containers.
        return _temporary_folder()
    return folder if folder_problem(folder) is None else _temporary_folder()


@cache
def _temporary_folder() -> Path:
    folder = TemporaryDirectory(prefix="h4h-nas-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


class CacheError(H4HError):
    """A cache that other users could change."""


def make_private(folder: Path) -> None:
    """Creates a folder of the cache that only this user can write; a folder of another user is refused.

    Raises:
        CacheError: The folder belongs to another user.
        OSError: It cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    refuse_foreign(folder)


def private_file(path: Path) -> None:
    """Creates a file that only this user can read and write; an existing one becomes private.

    Raises:
        CacheError: The file belongs to another user.
        OSError: It cannot be created, or `path` is no regular file, such as a FIFO.
    """
    if problem := output_problem(path):
        raise FileExistsError(errno.EEXIST, problem, str(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    refuse_foreign(path)
    path.chmod(0o600)


def refuse_foreign(path: Path) -> None:
    """Refuses a file or folder of another user, who could change what commands compute.

    Raises:
        CacheError: It belongs to another user than this one and root.
        OSError: It does not exist, or cannot be reached.
    """
    if not hasattr(os, "geteuid"):  # Windows: the user's own folder is private there.
        return
    owner = path.stat().st_uid
    if owner not in (os.geteuid(), 0):
        raise CacheError(
            f"{path} in the cache belongs to user {owner}, who could change what is computed from it: "
            f"remove it, or set {VARIABLE} to a folder of your own"
        )
