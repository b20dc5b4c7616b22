"""A disk that loses power: replay of recorded file operations, those since the last sync dropped or mixed.

`strace` records what a process writes, syncs, renames and removes in one folder. After a power cut, content
that was synced is there. Of the rest, each sector of 512 bytes may be there or not, in any order. Of the
changes of names since the last sync of the folder, the first few are there.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink"
MARK = b"mark "
"""Beginning of what a recorded process writes to its output to mark a moment."""

_LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (\d+)")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PATH = re.compile(r"\d+<((?:\\x[0-9a-f]{2})+)>")


@dataclass(frozen=True)
class Operation:
    """One operation: create, write, truncate, sync, rename, remove, or a mark.

    Attributes:
        kind: Its name.
        path: File or folder.
        data: Bytes that are written; for a mark its text.
        offset: Where they are written; for `truncate` the new size; None to append.
        target: New name.
    """

    kind: str
    path: str = ""
    data: bytes = b""
    offset: int | None = None
    target: str = ""


def record(command: Sequence[str], folder: Path, trace: Path) -> list[Operation]:
    """Runs a command and returns its operations on the files of `folder`, in order."""
    words = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-y",
        "-xx",
        "-s",
        "1000000",
        "-e",
        f"trace={CALLS}",
        "-o",
        str(trace),
    ]
    subprocess.run([*words, *command], check=True, stdout=subprocess.DEVNULL)
    return list(_operations(trace.read_text().splitlines(), str(folder)))


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _operations(lines: Iterable[str], folder: str) -> Iterable[Operation]:
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        call, arguments, result = match.groups()
        texts = [_decoded(text) for text in _HEX.findall(arguments)]
        opened = [_decoded(text).decode() for text in _PATH.findall(arguments)]
        path = texts[0].decode() if call in ("openat", "rename", "unlink") else opened[0]
        if call == "write" and texts[0].startswith(MARK):
            yield Operation("mark", data=texts[0].removeprefix(MARK))
        if path != folder and not path.startswith(f"{folder}/"):
            continue
        numbers = [int(word) for word in re.findall(r", (\d+)", _HEX.sub("", arguments))]
        if call == "openat":
            if "O_CREAT" in arguments:
                yield Operation("create", path)
            if "O_TRUNC" in arguments:
                yield Operation("truncate", path, offset=0)
        elif call == "write":
            yield Operation("write", path, texts[0])
        elif call == "pwrite64":
            yield Operation("write", path, texts[0], numbers[-1])
        elif call == "ftruncate":
            yield Operation("truncate", path, offset=numbers[-1])
        elif call == "rename":
            yield Operation("rename", path, target=texts[1].decode())
        elif call == "unlink":
            yield Operation("remove", path)
        else:
            yield Operation("sync", path)
        assert result is not None


@dataclass
class _File:
    """Content that is on disk, the whole content, and changes that may be lost."""

    safe: bytearray = field(default_factory=bytearray)
    whole: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def change(self, offset: int, data: bytes | None) -> None:
        """Writes `data`, or without it cuts the file at `offset`."""
        apply(self.whole, offset, data)
        self.pending.append((offset, data))

    def sync(self) -> None:
        self.safe = bytearray(self.whole)
        self.pending.clear()

    def after_cut(self, rng: random.Random) -> bytes:
        """What the disk may hold."""
        pieces: list[tuple[int, bytes | None]] = []
        for offset, data in self.pending:
            if data is None:
                pieces.append((offset, None))
                continue
            start = 0
            while start < len(data):
                end = start + SECTOR - (offset + start) % SECTOR
                pieces.append((offset + start, data[start:end]))
                start = end
        share = rng.choice([0.0, 0.5, 0.9, 1.0])
        kept = [piece for piece in pieces if rng.random() < share]
        rng.shuffle(kept)
        content = bytearray(self.safe)
        for offset, piece in kept:
            apply(content, offset, piece)
        return bytes(content)


def apply(content: bytearray, offset: int, data: bytes | None) -> None:
    """Writes `data` at `offset`, or without it makes the content so long."""
    end = offset + len(data or b"")
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


class RecordedDisk:
    """The folder of a recorded process, up to some operation.

    Args:
        folder: Its path at the time of recording.
        is_syncing: Whether syncs count. Without them, the disk shows what a program without syncs would lose.
    """

    def __init__(self, folder: Path, *, is_syncing: bool = True) -> None:
        self._folder = str(folder)
        self._is_syncing = is_syncing
        self._names: dict[str, _File] = {}
        self._safe_names: dict[str, _File] = {}
        self._pending: list[dict[str, _File]] = []  # Names after each change since the last sync.

    def run(self, operation: Operation) -> None:
        """The next operation."""
        file = self._names.get(operation.path)
        match operation.kind:
            case "create" if file is None:
                self._rename({**self._names, operation.path: _File()})
            case "rename" if file is not None:
                self._rename({**self._names, operation.target: file}, operation.path)
            case "remove":
                self._rename(dict(self._names), operation.path)
            case "write" if file is not None:
                file.change(len(file.whole) if operation.offset is None else operation.offset, operation.data)
            case "truncate" if file is not None:
                file.change(operation.offset or 0, None)
            case "sync" if self._is_syncing and operation.path == self._folder:
                self._safe_names, self._pending = self._names, []
            case "sync" if self._is_syncing and file is not None:
                file.sync()

    def _rename(self, names: dict[str, _File], gone: str = "") -> None:
        self._names = {path: file for path, file in names.items() if path != gone}
        self._pending.append(self._names)

    def after_cut(self, folder: Path, rng: random.Random) -> None:
        """Writes into `folder` what may be on the disk when the power is back."""
        names = rng.choice([self._safe_names, *self._pending])
        for path, file in names.items():
            # Shared memory is no file on a disk, and SQLite makes it anew.
            if not path.endswith("-shm"):
                (folder / Path(path).name).write_bytes(file.after_cut(rng))
