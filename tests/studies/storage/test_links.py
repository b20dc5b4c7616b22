"""Links to a database: symbolic ones lead to the file, hard ones are refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from studies.storage import database_lock
from studies.storage.database_file import StoreError, check_writable
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]

USE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("SELECT count(*) FROM study").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


@contextmanager
def used(path: Path) -> Iterator[int]:
    """Another process that has the database open; yields its id."""
    process = subprocess.Popen(
        [sys.executable, "-c", USE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"open\n"
        yield process.pid
    finally:
        process.communicate()


def test_hard_links_are_refused_and_symbolic_ones_followed(path: Path, study: Study) -> None:
    target, link = path.with_name("target.db"), path
    link.symlink_to(target)
    with create_store(link) as store:  # The file of a link that leads to none yet.
        store.add(study)
    assert link.is_symlink()
    assert target.is_file()
    hard = path.with_name("hard.db")
    hard.hardlink_to(target)
    for name in (hard, target, link):
        with pytest.raises(StoreError, match="2 names"):
            create_store(name)
        with open_store(name) as reader:
            assert reader.study(study.name) == study
    circle = path.with_name("circle.db")
    circle.symlink_to(circle)
    with pytest.raises(StoreError, match="lead nowhere"):
        create_store(circle)
    with pytest.raises(StoreError, match="symbolic links"):
        open_store(circle)


def test_a_symbolic_link_shows_what_a_run_has_stored_so_far(
    path: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.db"
    link.symlink_to(path)
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(0, 50.0, 1.0)])
        with open_store(link) as reader:
            assert reader.evaluations(study.name) == [evaluation(0, 50.0, 1.0)]


@pytest.mark.posix
@pytest.mark.skipif(not database_lock.LOCKS.exists(), reason="the system does not tell who has a file open")
def test_a_hard_link_made_during_a_run_is_named_as_such(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store:
        store.add(study)
    with used(path) as process:
        hard = path.with_name("hard.db")
        hard.hardlink_to(path)
        for refused in (lambda: open_store(hard, writable=True), lambda: check_writable(hard)):
            with pytest.raises(StoreError, match="2 names"):
                refused()
        with pytest.raises(StoreError, match=f"another name .* by process {process} "):
            open_store(hard)
        with open_store(path) as reader:  # Beside this name lies the log.
            assert reader.studies() == [study]
    with open_store(hard) as reader:
        assert reader.studies() == [study]


def test_a_hard_link_explains_damage(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store:
        store.add(study)
    path.write_bytes(path.read_bytes()[:-4096])
    path.with_name("hard.db").hardlink_to(path)
    with pytest.raises(StoreError, match=r"is damaged .*; it has 2 names \(hard links\)"):
        open_store(path)
