from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from studies.run import main as run
from studies.storage.row_digest import Checksum, digest
from studies.storage.schema import COLUMNS
from studies.verify import main as verify
from tests.command import Command

WORDS = ("--objectives", "macs,lat", "--constraint", "params<=200k", "--population", "6", "--study", "mine")


@pytest.fixture
def database(tmp_path: Path, command: Command) -> Path:
    """A study of 12 evaluations."""
    path = tmp_path / "studies.db"
    assert command(run, *WORDS, "--generations", "2", "--db", str(path)).code == 0
    return path


def change(path: Path, statement: str, *, restore: Sequence[str] = ()) -> None:
    """Changes a database behind the back of its triggers."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for table in restore:  # Digests that fit the changed rows, as other code would write them.
            columns = ", ".join(COLUMNS[table])
            rows = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            for row in rows:
                connection.execute(
                    f"UPDATE {table} SET digest = ? WHERE study = ? AND number = ?", (digest(row), *row[:2])
                )
            total = Checksum().with_rows([digest(row) for row in rows])
            connection.execute(
                "UPDATE checksum SET count = ?, total = ? WHERE study = 1 AND of_table = ?",
                (total.count, total.total, table),
            )


def test_a_sound_study_says_what_was_recomputed(database: Path, command: Command) -> None:
    ended = command(verify, str(database))
    assert (ended.code, ended.err) == (0, "")
    assert "study 'mine': 12 evaluations, 0 reports: sound" in ended.out
    assert "recomputed: sizes, macs, lat, params" in ended.out
    assert "recomputed" not in command(verify, str(database), "--digests-only").out


def test_a_study_that_spills_is_recomputed_with_its_spilling(
    tmp_path: Path, tiny_path: Path, command: Command
) -> None:
    chip, path = tmp_path / "small.yaml", str(tmp_path / "studies.db")
    chip.write_text(
        "base: u55-256\nname: small\ndescription: little SRAM\nmemory:\n"
        "  sram_capacity: {value: 0.01, unit: MiB, low: 0.01, high: 1, source: test}\n"
    )
    words = ("--objectives", "macs,lat", "--space", str(tiny_path), "--hardware", str(chip), "--spill")
    ended = command(run, *words, "--population", "6", "--generations", "2", "--study", "mine", "--db", path)
    assert ended.code == 0
    ended = command(verify, path)
    assert (ended.code, ended.err) == (0, "")
    assert "recomputed: sizes, macs, lat" in ended.out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "UPDATE evaluation SET is_feasible = 1 - is_feasible WHERE number = 3",
            "row 3 is not what was stored",
        ),
        ("UPDATE evaluation SET digest = zeroblob(16) WHERE number = 4", "row 4 is not what was stored"),
        ("DELETE FROM evaluation WHERE number = 11", "12 rows were stored, but 11 are there"),
        ("UPDATE evaluation SET study = 2 WHERE number = 5", "1 rows of evaluation belong to no study"),
        ("UPDATE checksum SET count = 11 WHERE of_table = 'evaluation'", "11 rows were stored, but 12"),
        (
            "DELETE FROM checksum WHERE of_table = 'evaluation'",
            "the checksum over evaluation of study 1 is missing",
        ),
    ],
)
def test_damage_of_rows_is_named(database: Path, command: Command, statement: str, message: str) -> None:
    change(database, statement)
    ended = command(verify, str(database), "--digests-only")
    assert ended.code == 2
    assert message in ended.out
    assert "'mine'" in ended.err
    refused = command(run, *WORDS, "--generations", "3", "--db", str(database))
    assert refused.code == 2
    assert "damaged" in refused.err


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE evaluation SET macs = macs + 1 WHERE number = 3", "evaluation 3 ("),
        ("UPDATE evaluation SET objectives = '[1.0,0.5]' WHERE number = 2", "lat is stored as 0.5, but is"),
        ("UPDATE evaluation SET is_feasible = 1 - is_feasible WHERE number = 3", "is_feasible is stored as"),
        ("UPDATE evaluation SET genotype = '9,9' WHERE number = 3", "genes, but got 2"),
    ],
)
def test_values_that_other_code_computed_are_named(
    database: Path, command: Command, statement: str, message: str
) -> None:
    change(database, statement, restore=["evaluation"])
    assert command(verify, str(database), "--digests-only").code == 0
    ended = command(verify, str(database))
    assert ended.code == 2
    assert message in ended.out


def test_a_study_row_that_changed_is_found(database: Path, command: Command) -> None:
    change(database, 'UPDATE study SET fingerprint = replace(fingerprint, \'"seed":"0"\', \'"seed":"1"\')')
    ended = command(verify, str(database))
    assert ended.code == 2
    assert "studies: row 1 is not what was stored" in ended.err
