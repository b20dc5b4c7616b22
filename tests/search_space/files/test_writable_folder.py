"""Folders that files can be made in."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_space.errors import H4HError
from search_space.files.figure_file import check_figure_path
from search_space.files.writable_folder import folder_problem
from studies.launch.progress_log import LogError, check_log
from studies.storage.database_file import StoreError, check_writable
from supernet.training.run_folder import check_run_folder

PROC = Path("/proc")
needs_proc = pytest.mark.skipif(not PROC.is_dir(), reason="a folder that nobody can write, root included")


def test_a_folder_that_can_be_made_is_none_and_nothing_is_left(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "new" / "run"):
        assert folder_problem(folder) is None
    assert not [*tmp_path.iterdir()]


def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(tmp_path / "missing")
    for nearest in (file, link):
        for folder in (nearest, nearest / "run"):
            assert folder_problem(folder) == f"{nearest} is not a folder"
    assert "File name too long" in (folder_problem(tmp_path / ("x" * 300)) or "")


@needs_proc
@pytest.mark.parametrize("folder", [PROC, PROC / "new"])
def test_permissions_do_not_decide(folder: Path) -> None:
    assert (folder_problem(folder) or "").startswith("no file can be made in /proc (")


@needs_proc
def test_outputs_are_refused_before_anything_is_computed() -> None:
    reason = r"no file can be made in /proc \("
    with pytest.raises(H4HError, match=rf"--plot /proc/x.png: {reason}"):
        check_figure_path(PROC / "x.png")
    with pytest.raises(LogError, match=rf"--log-json /proc/x: {reason}"):
        check_log(PROC / "x")
    with pytest.raises(StoreError, match=rf"database /proc/x.db: {reason}"):
        check_writable(PROC / "x.db")
    with pytest.raises(H4HError, match=rf"--out /proc/new: {reason}"):
        check_run_folder(PROC / "new")
