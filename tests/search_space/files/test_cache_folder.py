from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest

from search_space.files import writable_folder
from search_space.files.cache_folder import VARIABLE, CacheError, cache_folder, make_private, private_file


@pytest.mark.posix
def test_variable_of_ours_then_the_systems_then_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv(VARIABLE, "/mine")
    assert cache_folder() == Path("/mine")
    monkeypatch.delenv(VARIABLE)
    assert cache_folder() == tmp_path / "elsewhere" / "h4h-nas"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == tmp_path / "user" / ".cache" / "h4h-nas"


def test_folder_and_files_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "tables"
    make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    private_file(folder / "new")
    (folder / "old").write_text("kept")
    (folder / "old").chmod(0o644)
    private_file(folder / "old")
    assert {entry.stat().st_mode & 0o777 for entry in folder.iterdir()} == {0o600}
    assert (folder / "old").read_text() == "kept"


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(CacheError, match="belongs to user 65534"):
        make_private(tmp_path)


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_a_file_of_another_user_is_refused_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "table"
    file.write_text("theirs")
    file.chmod(0o644)
    os.chown(file, 65534, 65534)
    with pytest.raises(CacheError, match="belongs to user 65534"):
        private_file(file)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("theirs", 0o644)


@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
def test_something_else_in_place_of_a_file_is_refused(make: str, tmp_path: Path) -> None:
    getattr(os, make)(tmp_path / "table")
    with pytest.raises(FileExistsError, match="is not a regular file but a"):
        private_file(tmp_path / "table")


def refuse(closed: Path) -> Callable[..., IO[bytes]]:
    """A function that makes a temporary file, except in `closed`."""

    def made(*, dir: Path) -> IO[bytes]:
        if dir == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(dir))
        return TemporaryFile(dir=dir)

    return made


def test_a_user_without_a_writable_home_gets_a_folder_of_the_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "read-only" / "cache"))
    (tmp_path / "read-only").mkdir()
    # Root may write anywhere, so the answer of the system is replaced.
    monkeypatch.setattr(writable_folder, "TemporaryFile", refuse(tmp_path / "read-only"))
    folder = cache_folder()
    assert folder.is_dir()
    assert tmp_path not in folder.parents
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder() == folder
