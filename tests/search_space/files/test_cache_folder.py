from __future__ import annotations

import os
from pathlib import Path

import pytest

from search_space.files.cache_folder import VARIABLE, CacheError, cache_folder, make_private, private_file


def test_variable_of_ours_then_the_systems_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv(VARIABLE, "/mine")
    assert cache_folder() == Path("/mine")
    monkeypatch.delenv(VARIABLE)
    assert cache_folder() == Path("/elsewhere/h4h-nas")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path("/home/user/.cache/h4h-nas")


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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(CacheError, match="belongs to user 65534"):
        make_private(tmp_path)
