from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from studies.backup import main as backup
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study
from tests.command import Command


@pytest.fixture
def path(tmp_path: Path, study: Study, evaluation: Callable[..., Evaluation]) -> Path:
    """A database of one study with 50 evaluations."""
    path = tmp_path / "studies.db"
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(index, 50.0, 1.0) for index in range(50)])
    return path


def test_a_copy_holds_what_an_open_store_has_written(
    path: Path, study: Study, evaluation: Callable[..., Evaluation], command: Command
) -> None:
    copy = path.with_name("copy.db")
    with create_store(path) as store:  # A run that goes on: its last rows are in the log only.
        store.append(study.name, [evaluation(50, 60.0, 1.0)])
        shutil.copy(path, path.with_name("plain.db"))
        ended = command(backup, str(path), str(copy))
        store.append(study.name, [evaluation(51, 60.0, 1.0)])
        expected = store.evaluations(study.name)
    assert (ended.code, ended.err) == (0, "")
    with open_store(copy) as store:
        assert store.evaluations(study.name) == expected[:51]
    with open_store(path.with_name("plain.db")) as store:  # What a plain copy of the file misses.
        assert len(store.evaluations(study.name)) == 50
    assert not [entry for entry in path.parent.iterdir() if entry.name.startswith((".", "copy.db-"))]


def test_an_existing_copy_and_a_missing_folder_are_refused(path: Path, command: Command) -> None:
    before = path.read_bytes()
    assert "exists" in command(backup, str(path), str(path)).err
    assert "does not exist" in command(backup, str(path), str(path.parent / "none" / "copy.db")).err
    assert "does not exist" in command(backup, str(path.with_name("none.db")), "copy.db").err
    assert path.read_bytes() == before


def test_a_damaged_database_is_not_copied(path: Path, command: Command) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER evaluation_is_final")
        connection.execute("UPDATE evaluation SET macs = macs + 1 WHERE number = 7")
    ended = command(backup, str(path), str(path.with_name("copy.db")))
    assert ended.code == 2
    assert "row 7 is not what was stored" in ended.err
    assert not path.with_name("copy.db").exists()


def test_a_full_disk_of_the_copy_is_not_blamed_on_the_database(
    path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SmallTarget:
        """A source whose copy meets a limit of two pages."""

        def __init__(self) -> None:
            self._source = sqlite3.connect(path)

        def backup(self, target: sqlite3.Connection) -> None:
            target.execute("PRAGMA max_page_count = 2")
            self._source.backup(target)

        def close(self) -> None:
            self._source.close()

    monkeypatch.setattr("studies.storage.backup._source", lambda _: SmallTarget())
    copy = path.with_name("copy.db")
    assert f"{copy} cannot be written (No space left on device)" in command(backup, str(path), str(copy)).err
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
