from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from search_space.errors import UnknownNameError
from studies.storage.database_file import StoreError, check_writable
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Study

Make = Callable[..., Evaluation]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studies.db"


@pytest.fixture
def filled(path: Path, study: Study, evaluation: Make) -> Path:
    """A database of one study with 50 evaluations, several pages long."""
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(index, 50.0 + index / 3, 1.0) for index in range(50)])
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_what_is_stored_reads_back_exactly(path: Path, study: Study, evaluation: Make) -> None:
    rows = [evaluation(0, 1 / 3, 0.1 + 0.2), evaluation(1, None, 1e-300), evaluation(2, 5e-324, 9.0)]
    rows.append(replace(evaluation(3, 73.1, 1.0), stopped_after=512))
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows)
    with open_store(path) as store:
        assert store.study(study.name) == study
        assert store.evaluations(study.name) == rows
        assert store.count(study.name) == 4
        assert store.find("other") is None


def test_rows_come_in_order_of_their_index_whenever_they_were_stored(
    path: Path, study: Study, evaluation: Make
) -> None:
    with create_store(path) as store:
        store.add(study)
        for index in (2, 0, 1):
            store.append(study.name, [evaluation(index, 1.0, 1.0)])
        assert [row.index for row in store.evaluations(study.name)] == [0, 1, 2]


def test_studies_do_not_mix(path: Path, study: Study, evaluation: Make) -> None:
    other = replace(study, name="second")
    with create_store(path) as store:
        store.add(study)
        store.add(other)
        store.append("second", [evaluation(0, 1.0, 1.0)])
        assert store.evaluations(study.name) == []
        assert [one.name for one in store.studies()] == ["first", "second"]
        with pytest.raises(StoreError, match="already"):
            store.add(study)
        with pytest.raises(UnknownNameError, match="did you mean 'second'"):
            store.study("seconds")


def test_neither_an_index_nor_a_genotype_is_stored_twice(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(0, 1.0, 1.0)])
        with pytest.raises(StoreError, match="another process"):
            store.append(study.name, [evaluation(1, 1.0, 1.0), evaluation(0, 1.0, 1.0)])
        with pytest.raises(StoreError, match="another process"):
            store.append(study.name, [replace(evaluation(0, 1.0, 1.0), index=7)])
        assert store.count(study.name) == 1  # All or none.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evaluation SET macs = 0",
        "DELETE FROM evaluation",
        "UPDATE study SET name = 'x'",
        "DELETE FROM study",
    ],
)
def test_nothing_is_ever_changed_or_removed(filled: Path, statement: str) -> None:
    with closing(sqlite3.connect(filled)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)


def test_append_is_durable_without_closing(path: Path, study: Study, evaluation: Make) -> None:
    store = create_store(path)
    store.add(study)
    store.append(study.name, [evaluation(0, 1.0, 1.0)])
    with open_store(path) as reader:
        assert reader.count(study.name) == 1
    store.close()


def test_reading_leaves_the_folder_as_it_is(filled: Path) -> None:
    before = contents(filled.parent)
    with open_store(filled) as store:
        store.evaluations("first")
    assert contents(filled.parent) == before


def test_missing_database_is_an_error_and_makes_no_file(path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_store(path)
    assert contents(path.parent) == {}


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="folder"):
        create_store(tmp_path / "no" / "studies.db")


def test_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a regular file"):
        open_store(tmp_path)


def damaged() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    yield "empty", lambda _: b""
    yield "text", lambda _: b"no database at all\n" * 100
    yield "header only", lambda data: data[:100]
    yield "truncated", lambda data: data[: len(data) // 2]
    yield "last page lost", lambda data: data[:-4096]
    yield "pages overwritten", lambda data: data[:4096] + b"\xff" * (len(data) - 4096)


@pytest.mark.parametrize(("damage"), [pytest.param(one, id=name) for name, one in damaged()])
@pytest.mark.parametrize("opener", [open_store, create_store])
def test_damaged_database_is_refused_and_left_as_it_is(
    filled: Path, damage: Callable[[bytes], bytes], opener: Callable[[Path], object]
) -> None:
    filled.write_bytes(damage(filled.read_bytes()))
    before = contents(filled.parent)
    with pytest.raises(StoreError, match=str(filled)):
        opener(filled)
    assert contents(filled.parent) == before


def test_damaged_database_with_a_log_is_left_as_it_is(
    filled: Path, study: Study, evaluation: Make, tmp_path: Path
) -> None:
    # As a killed process leaves it: rows that are in the log only.
    store = create_store(filled)
    store.append(study.name, [evaluation(50, 1.0, 1.0)])
    folder = tmp_path / "killed"
    folder.mkdir()
    log = filled.with_name(filled.name + "-wal").read_bytes()
    (folder / "studies.db-wal").write_bytes(log)
    (folder / "studies.db").write_bytes(filled.read_bytes()[:4096] + b"\xff" * 8192)
    store.close()
    with pytest.raises(StoreError, match="damaged"):
        open_store(folder / "studies.db", writable=True)
    assert (folder / "studies.db").read_bytes()[4096:] == b"\xff" * 8192
    assert (folder / "studies.db-wal").read_bytes() == log


def test_foreign_database_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE trials (x)")
    with pytest.raises(StoreError, match="not a study database"):
        create_store(path)


def test_other_schema_version_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="99"):
        open_store(filled)


def test_row_that_makes_no_sense_is_a_damaged_database(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DROP TRIGGER evaluation_is_final")
        connection.execute("UPDATE evaluation SET objectives = 'oops' WHERE number = 3")
    with open_store(filled) as store, pytest.raises(StoreError, match="damaged"):
        store.evaluations("first")


def test_creating_over_an_existing_database_keeps_it(filled: Path) -> None:
    with create_store(filled) as store:
        assert store.count("first") == 50


def test_reports_come_back_in_order_and_stay(tmp_path: Path, study: Study) -> None:
    reports = [GenerationReport("random", None), GenerationReport("surrogate", 1 / 3)]
    path = tmp_path / "studies.db"
    with create_store(path) as store:
        store.add(study)
        assert store.reports(study.name) == []
        for generation, report in enumerate(reports, start=1):
            store.append_report(study.name, generation, report)
        with pytest.raises(StoreError, match="a row exists already"):
            store.append_report(study.name, 2, reports[0])
        assert store.reports(study.name) == reports
        assert store.reports("none") == []
    with closing(sqlite3.connect(path)) as connection:
        for change in ("UPDATE generation SET source = 'mine'", "DELETE FROM generation"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)


MOVES: dict[str, Callable[[Path], object]] = {
    "removed": lambda path: path.unlink(),
    "renamed": lambda path: path.rename(path.with_name("other.db")),
    "replaced": lambda path: (path.with_name("new").write_bytes(b"x"), path.with_name("new").replace(path)),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_file_that_loses_its_name_ends_the_run_and_is_rescued(
    path: Path, study: Study, evaluation: Make, move: str
) -> None:
    rows = [evaluation(index, 50.0, 1.0) for index in range(4)]
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows[:2])
        MOVES[move](path)
        with pytest.raises(StoreError, match=r"removed, renamed or replaced .*studies\.rescued\.db"):
            store.append(study.name, rows[2:3])
        with pytest.raises(StoreError, match=r"studies\.rescued-2\.db"):
            store.append(study.name, rows[2:])
        with pytest.raises(StoreError, match=r"studies\.rescued-3\.db"):
            store.check_in_place()
    for name, count in (("rescued", 3), ("rescued-2", 4), ("rescued-3", 2)):
        with open_store(path.with_name(f"studies.{name}.db")) as store:
            assert store.study(study.name) == study
            assert store.evaluations(study.name) == rows[:count]


def test_rows_of_another_writer_end_the_run(path: Path, study: Study, evaluation: Make) -> None:
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(0, 1.0, 1.0)])
    with create_store(path) as store:
        store.evaluations(study.name)
        with create_store(path) as writer:
            writer.append(study.name, [evaluation(1, 1.0, 1.0)])
        with pytest.raises(StoreError, match="another process wrote"):
            store.append(study.name, [evaluation(2, 1.0, 1.0)])


@pytest.mark.parametrize("name", [":memory:", "sqlite:///studies.db", "postgresql://host/studies"])
def test_urls_and_databases_in_memory_are_named_as_such(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="studies live in a file; give its path"):
        check_writable(Path(name))
    assert not contents(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may change its user")
def test_a_copy_with_a_log_in_a_read_only_folder_says_what_to_copy(filled: Path) -> None:
    # pytest keeps its folders to their owner.
    with TemporaryDirectory() as parent, closing(sqlite3.connect(filled)) as writer:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "copy"
        folder.mkdir()
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE more (x)")
        writer.commit()
        for name in (filled.name, f"{filled.name}-wal"):
            (folder / name).write_bytes((filled.parent / name).read_bytes())
        folder.chmod(0o555)
        reader = os.fork()
        if reader == 0:
            code = 1
            try:
                os.setuid(65534)
                open_store(folder / filled.name)
            except StoreError as error:
                code = 0 if "copy both files to a folder of your own" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]) == 0
