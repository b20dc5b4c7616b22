"""Databases written by version 0.1.0 still open; once migrated, their studies resume to the rows it wrote.

`earlier/version-0.1.0.db` holds five short studies of a space of its own.
`earlier/version-0.1.0-continued.db` is the same database after version 0.1.0 resumed each of them to five
generations. `earlier/schema-3.db` and its continuation hold one of them, from a version whose rows have
digests and do not name their software.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from search_space.command.printed_command import local_command
from studies.migrate import main as migrate
from studies.run import main as run
from studies.show import main as show
from studies.storage import migration
from studies.storage.schema import EVALUATION_COLUMNS
from studies.storage.store import open_store
from studies.verify import main as verify
from tests.command import Command

EARLIER = Path(__file__).parent / "earlier"
STUDIES = {
    "nsga2": ("--constraint", "vit_blocks>=1"),
    "warm": ("--sampler", "sms", "--seed", "3", "--warm-start", "nsga2"),
    "preferring": ("--sampler", "rnsga2", "--prefer", "macs=0.2M"),
    "tpe": ("--sampler", "optuna-tpe"),
    "local": ("--sampler", "local"),
}


BLOCKS = ("conv_blocks", "vit_blocks")
COLUMNS = ", ".join(f"evaluation.{name}" for name in EVALUATION_COLUMNS)


def table(database: Path, study: str) -> list[tuple[Any, ...]]:
    """Every row of a study's evaluations, without digests.

    Earlier versions counted networks without blocks as `cnn`; they are the family `none` now.
    """
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM evaluation JOIN study ON study.id = evaluation.study WHERE name = ? "
            "ORDER BY number",
            (study,),
        ).fetchall()
    blocks, place = [EVALUATION_COLUMNS.index(name) for name in BLOCKS], EVALUATION_COLUMNS.index("family")
    return [
        row if any(row[column] for column in blocks) else (*row[:place], "none", *row[place + 1 :])
        for row in rows
    ]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A copy to work on."""
    copy = tmp_path / "studies.db"
    shutil.copy(EARLIER / "version-0.1.0.db", copy)
    return copy


@pytest.mark.parametrize("study", STUDIES)
def test_an_earlier_study_resumes_to_the_same_table(study: str, database: Path, command: Command) -> None:
    before = table(database, study)
    words = (
        *("--objectives", "macs,params", "--space", str(EARLIER / "tiny.yaml"), "--population", "8"),
        *("--generations", "5", "--db", str(database), "--study", study, *STUDIES[study]),
    )
    content = database.read_bytes()
    refused = command(run, *words)
    assert refused.code == 2
    assert f"convert it with `{local_command('studies.migrate', [str(database)])}`" in refused.err
    assert database.read_bytes() == content
    converted = command(migrate, str(database))
    assert converted.code == 0, converted.err
    assert table(database, study) == before
    ended = command(run, *words)
    assert ended.code == 0, ended.err
    after = table(database, study)
    assert len(after) > len(before) > 0
    assert after == table(EARLIER / "version-0.1.0-continued.db", study)


def test_a_study_with_digests_resumes_to_the_same_table(tmp_path: Path, command: Command) -> None:
    database = tmp_path / "studies.db"
    shutil.copy(EARLIER / "schema-3.db", database)
    words = (
        *("--objectives", "macs,params", "--space", str(EARLIER / "tiny.yaml"), "--population", "8"),
        *("--generations", "5", "--db", str(database), "--study", "nsga2", "--sampler", "nsga2"),
        *("--constraint", "vit_blocks>=1"),
    )
    assert "convert it with" in command(run, *words).err
    checked = command(verify, str(database))
    assert checked.code == 0, checked.err
    assert f"an earlier version wrote it: {local_command('studies.migrate', [str(database)])}" in checked.out
    assert "no digests" not in checked.out
    with open_store(database) as store:
        assert [count for _, count in store.software("nsga2")] == [24]
    assert command(migrate, str(database)).code == 0
    ended = command(run, *words)
    assert ended.code == 0, ended.err
    assert table(database, "nsga2") == table(EARLIER / "schema-3-continued.db", "nsga2")
    with open_store(database) as store:
        assert [count for _, count in store.software("nsga2")] == [40]


def test_a_changed_row_is_not_converted(tmp_path: Path, command: Command) -> None:
    database = tmp_path / "studies.db"
    shutil.copy(EARLIER / "schema-3.db", database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DROP TRIGGER evaluation_is_final")
        connection.execute("UPDATE evaluation SET macs = macs + 1 WHERE number = 7")
    content = database.read_bytes()
    ended = command(migrate, str(database))
    assert ended.code == 2
    assert "row 7 is not what was stored" in ended.err
    assert database.read_bytes() == content


def test_earlier_studies_are_listed(database: Path, command: Command) -> None:
    ended = command(show, "--db", str(database))
    assert ended.code == 0, ended.err
    assert all(name in ended.out for name in STUDIES)


def test_a_converted_database_is_sound_and_holds_what_it_held(database: Path, command: Command) -> None:
    with open_store(database) as store:
        before = [
            (study, store.evaluations(study.name), store.reports(study.name)) for study in store.studies()
        ]
        assert store.is_earlier
    assert "no digests" in command(verify, str(database)).out
    command(migrate, str(database))
    with open_store(database) as store:
        after = [
            (study, store.evaluations(study.name), store.reports(study.name)) for study in store.studies()
        ]
        assert not store.is_earlier
    assert after == before
    ended = command(verify, str(database))
    assert ended.code == 0, ended.err
    assert ended.out.count(": sound") == len(STUDIES)
    assert "has the current version already" in command(migrate, str(database)).out


def test_a_conversion_that_fails_changes_nothing(
    database: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(row: object) -> None:
        raise TypeError("broken")

    content = database.read_bytes()
    monkeypatch.setitem(migration._READ, "generation", broken)
    monkeypatch.setitem(migration._READ, "evaluation", broken)
    ended = command(migrate, str(database))
    assert ended.code == 2
    assert "broken" in ended.err
    assert database.read_bytes() == content
