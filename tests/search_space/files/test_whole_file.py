"""Atomic writes: permissions, and nothing left behind."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from search_space.files.whole_file import whole_file


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with whole_file(tmp_path / "x") as temporary:
            temporary.write_text("content")
            temporary.chmod(0o600)  # as safetensors does
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == mode


def test_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")

    def write_half() -> None:
        with whole_file(tmp_path / "x") as temporary:
            temporary.write_text("new")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_body_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "x"):
        pass
    assert list(tmp_path.iterdir()) == []
