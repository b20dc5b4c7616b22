"""The log of a file that lost its name is never applied to another file of that name."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from studies.storage.backup import backup
from studies.storage.database_file import StoreError
from studies.storage.log_files import has_log, log_files
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


def names(path: Path) -> list[str]:
    with open_store(path) as store:
        return [study.name for study in store.studies()]


def filled(path: Path, study: Study, rows: list[Evaluation]) -> Path:
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows)
    return path


def killed(path: Path, folder: Path, rows: list[Evaluation]) -> Path:
    """A copy of the database as a killed run leaves it: the last rows are in the log alone."""
    folder.mkdir()
    with create_store(path) as store:
        store.append(store.studies()[0].name, rows)
        for file in (path, *log_files(path)):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder / path.name


def test_a_file_that_replaces_the_database_keeps_its_rows(
    path: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    rows = [evaluation(index, 50.0, 1.0) for index in range(3)]
    other = filled(tmp_path / "other.db", replace(study, name="theirs"), rows)
    before = other.read_bytes()
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows[:2])
        path.rename(tmp_path / "moved.db")
        other.rename(path)
        with pytest.raises(StoreError, match=r"studies\.rescued\.db\)$"):
            store.append(study.name, rows[2:])
        assert log_files(path)[0].stat().st_size == 0
    assert path.read_bytes() == before
    with open_store(path, writable=True) as store:
        assert store.evaluations("theirs") == rows
        assert store.find(study.name) is None
    with open_store(tmp_path / "moved.db") as store:  # Whole without its log.
        assert store.evaluations(study.name) == rows[:2]


def test_a_rescued_file_can_take_the_old_name(path: Path, study: Study, evaluation: Make) -> None:
    rows = [evaluation(index, 50.0, 1.0) for index in range(2)]
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows[:1])
        path.unlink()
        with pytest.raises(StoreError, match=r"repeat the command with .* \(--db .*studies\.rescued\.db\)"):
            store.append(study.name, rows[1:])
        assert not any(log.exists() for log in log_files(path))
    path.with_name("studies.rescued.db").rename(path)
    with open_store(path) as store:
        assert store.evaluations(study.name) == rows


def test_a_log_that_cannot_be_emptied_is_named(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store, closing(sqlite3.connect(path)) as reader:
        store.add(study)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM evaluation").fetchone()
        store.append(study.name, [evaluation(0, 50.0, 1.0)])
        path.unlink()
        log = re.escape(str(log_files(path)[0]))
        with pytest.raises(StoreError, match=f"the log {log} .* could not be emptied: move it to another"):
            store.check_in_place()
        assert log_files(path)[0].stat().st_size > 0
        assert names(path.with_name("studies.rescued.db")) == [study.name]


def test_the_log_of_a_new_database_is_left_alone(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store:
        store.add(study)
        for file in (path, *log_files(path)):
            file.rename(file.with_name(f"moved{file.name}"))
        with create_store(path) as new:
            new.add(replace(study, name="new"))
            with pytest.raises(StoreError, match=r"studies\.rescued\.db\)$"):
                store.append(study.name, [evaluation(0, 50.0, 1.0)])
            new.append("new", [evaluation(1, 50.0, 1.0)])
    with open_store(path) as new:
        assert new.count("new") == 1


def test_a_new_database_does_not_take_the_log_of_a_killed_run(
    path: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    filled(path, study, [evaluation(0, 50.0, 1.0)])
    left = killed(path, tmp_path / "killed", [evaluation(1, 50.0, 1.0)])
    left.unlink()
    assert has_log(left)
    create_store(left).close()
    assert names(left) == []


@pytest.mark.parametrize("is_writable", [False, True])
def test_the_log_of_a_killed_run_is_not_applied_to_another_file(
    path: Path, study: Study, evaluation: Make, tmp_path: Path, is_writable: bool
) -> None:
    rows = [evaluation(index, 50.0 + index / 7, 1.0) for index in range(120)]
    filled(path, study, rows[:60])
    left = killed(path, tmp_path / "killed", rows[60:])
    with open_store(left) as store:
        assert store.count(study.name) == 120
    other = filled(tmp_path / "other.db", replace(study, name="theirs"), rows)
    before = other.read_bytes()
    other.replace(left)
    with (
        pytest.raises(StoreError, match=r"sound, but the log .*: move studies\.db-wal and studies\.db-shm"),
        open_store(left, writable=is_writable) as store,
    ):
        store.evaluations(store.studies()[0].name)
    assert left.read_bytes() == before
    for log in log_files(left):
        log.rename(tmp_path / log.name.replace("studies", "former"))
    with open_store(left, writable=is_writable) as store:
        assert store.evaluations("theirs") == rows


def test_a_damaged_file_is_not_blamed_on_its_log(
    path: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    filled(path, study, [evaluation(index, 50.0, 1.0) for index in range(60)])
    left = killed(path, tmp_path / "killed", [evaluation(60, 50.0, 1.0)])
    content = bytearray(left.read_bytes())
    place = content.index(b'"tiny"')
    content[place + 1 : place + 5] = b"tina"
    left.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        open_store(left, writable=True)
    assert left.read_bytes() == content


def test_a_backup_does_not_take_a_name_beside_an_old_log(
    path: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    filled(path, study, [evaluation(0, 50.0, 1.0)])
    (tmp_path / "copy.db-wal").write_bytes(b"log")
    with pytest.raises(StoreError, match=r"copy\.db-wal lies there.*name another file"):
        backup(path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
