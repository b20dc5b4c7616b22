"""Folders that files can be made in. Permissions alone do not tell, as in ``/proc``: a file is made."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def folder_problem(folder: Path) -> str | None:
    """What keeps files from being made in `folder`, as a clause with its name; None if nothing does.

    Where `folder` does not exist yet, its nearest existing parent counts. Nothing is left behind.

    Example:
        >>> from pathlib import Path
        >>> from search_space.files.writable_folder import folder_problem
        >>> folder_problem(Path("new/run")) is None
        True
        >>> folder_problem(Path("/dev/null/run"))
        '/dev/null is not a folder'
    """
    nearest = folder
    try:
        for nearest in (folder, *folder.absolute().parents):
            if nearest.exists() or nearest.is_symlink():
                break
        if not nearest.is_dir():
            return f"{nearest} is not a folder"
        TemporaryFile(dir=nearest).close()
    except OSError as error:  # Also a name that is too long, and a full disk.
        return f"no file can be made in {nearest} ({error.strerror})"
    return None
