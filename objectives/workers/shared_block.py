"""Block of bytes that a process shares with the workers that it starts on this machine."""

from __future__ import annotations

import multiprocessing.reduction
import os
import tempfile
import weakref
from collections.abc import Iterable
from contextlib import suppress
from mmap import ACCESS_COPY, mmap
from pathlib import Path
from typing import Any

_DUPLICATES = getattr(multiprocessing.reduction, "DupFd", None)
"""Hands an open file to a starting process; None where files have no descriptors (Windows)."""


class SharedBlock:
    """Bytes in a temporary file, which a starting process receives by pickling this object.

    With descriptors the file has no name, and the system frees it when the last process ends. Elsewhere it
    has a name, and its owner removes it.

    Args:
        pieces: The bytes, in order.
    """

    def __init__(self, pieces: Iterable[Any]) -> None:
        if _DUPLICATES is not None:
            self._file: Any = tempfile.TemporaryFile()  # noqa: SIM115
            self._file.writelines(pieces)
            self._file.flush()
            return
        handle, name = tempfile.mkstemp(prefix="h4h-nas-")
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
        self._file = Path(name)
        self.remove = weakref.finalize(self, _remove, self._file)

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self._file, Path):
            return {"_file": self._file}
        assert _DUPLICATES is not None
        return {"_file": _DUPLICATES(self._file.fileno())}

    def open(self) -> mmap | bytearray:
        """The bytes, writable, in a worker; call it once. All processes share what none writes."""
        handle: int = (
            os.open(self._file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            if isinstance(self._file, Path)
            else self._file.detach()
        )
        try:
            # A private copy, since torch demands writable memory.
            return mmap(handle, 0, access=ACCESS_COPY) if os.fstat(handle).st_size else bytearray()
        finally:
            os.close(handle)


def _remove(file: Path) -> None:
    with suppress(OSError):  # A worker may still have it open; the system's own cleaning removes it later.
        file.unlink(missing_ok=True)
