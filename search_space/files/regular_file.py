"""Regular files: reading a FIFO waits for a writer, and reading a device may never end."""

from __future__ import annotations

import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "FIFO",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def file_problem(path: Path) -> str | None:
    """What keeps `path` from being read as a file, as a predicate; None for a regular file.

    Example:
        >>> from pathlib import Path
        >>> from search_space.files.regular_file import file_problem
        >>> file_problem(Path("."))
        'is not a regular file but a folder'
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
    except OSError as error:  # A circle of links, a folder that may not be entered.
        return f"cannot be read ({error.strerror})"
    except ValueError as error:  # A null character.
        return f"cannot be read ({error})"
    if stat.S_ISREG(mode):
        return None
    return f"is not a regular file but a {_KINDS.get(stat.S_IFMT(mode), 'special file')}"


def output_problem(path: Path) -> str | None:
    """What keeps `path` from being written as a file: it exists and is something else; None otherwise.

    A file is written whole by renaming another one, which would remove a device such as ``/dev/null``.
    """
    return file_problem(path) if path.exists() else None
