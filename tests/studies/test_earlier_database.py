"""Databases written by version 0.1.0 still open, and their studies resume to the rows that version wrote.

`earlier/version-0.1.0.db` holds five short studies of a space of its own.
`earlier/version-0.1.0-continued.db` is the same database after version 0.1.0 resumed each of them to five
generations.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from studies.run import main as run
from studies.show import main as show
from tests.command import Command

EARLIER = Path(__file__).parent / "earlier"
STUDIES = {
    "nsga2": ("--constraint", "vit_blocks>=1"),
    "warm": ("--sampler", "sms", "--seed", "3", "--warm-start", "nsga2"),
    "preferring": ("--sampler", "rnsga2", "--prefer", "macs=0.2M"),
    "tpe": ("--sampler", "optuna-tpe"),
    "local": ("--sampler", "local"),
}


def table(database: Path, study: str) -> list[tuple[Any, ...]]:
    """Every row and column of a study's evaluations."""
    with sqlite3.connect(database) as connection:
        return connection.execute(
            "SELECT evaluation.* FROM evaluation JOIN study ON study.id = evaluation.study WHERE name = ? "
            "ORDER BY number",
            (study,),
        ).fetchall()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A copy to work on."""
    copy = tmp_path / "studies.db"
    shutil.copy(EARLIER / "version-0.1.0.db", copy)
    return copy


@pytest.mark.parametrize("study", STUDIES)
def test_an_earlier_study_resumes_to_the_same_table(study: str, database: Path, command: Command) -> None:
    before = table(database, study)
    ended = command(
        run,
        *("--objectives", "macs,params", "--space", str(EARLIER / "tiny.yaml"), "--population", "8"),
        *("--generations", "5", "--db", str(database), "--study", study, *STUDIES[study]),
    )
    assert ended.code == 0, ended.err
    after = table(database, study)
    assert len(after) > len(before) > 0
    assert after == table(EARLIER / "version-0.1.0-continued.db", study)


def test_earlier_studies_are_listed(database: Path, command: Command) -> None:
    ended = command(show, "--db", str(database))
    assert ended.code == 0, ended.err
    assert all(name in ended.out for name in STUDIES)
