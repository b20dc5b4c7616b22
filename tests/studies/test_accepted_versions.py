"""A study goes on with other versions only if its user accepts them; then each row names its software."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from objectives.size_objectives import Size
from search_space.arrays import Floats
from search_space.subnet import Subnet
from studies.run import main as run
from studies.storage.store import open_store
from studies.verify import main as verify
from tests.command import Command
from tests.studies.test_earlier_database import table

INSTALLED = metadata.version


@pytest.fixture
def words(tiny_path: Path, tmp_path: Path) -> list[str]:
    """The command of a study."""
    return [
        *("--objectives", "macs,params", "--space", str(tiny_path), "--population", "6", "--seed", "3"),
        *("--sampler", "random", "--db", str(tmp_path / "studies.db"), "--study", "a study"),
    ]


def with_numpy(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretends that NumPy has this version."""
    monkeypatch.setattr(metadata, "version", lambda name: version if name == "numpy" else INSTALLED(name))


def test_another_version_is_refused_until_it_is_accepted(
    words: list[str], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "studies.db"
    with_numpy("1.0", monkeypatch)
    assert command(run, *words, "--generations", "2").code == 0
    with_numpy("2.0", monkeypatch)
    content = database.read_bytes()
    refused = command(run, *words, "--generations", "3")
    assert refused.code == 2
    assert "made with other software: numpy 1.0 -> 2.0" in refused.err
    assert "--accept-versions" in refused.err
    assert "--study NEW --warm-start 'a study'" in refused.err
    assert database.read_bytes() == content

    accepted = command(run, *words, "--generations", "3", "--accept-versions")
    assert accepted.code == 0, accepted.err
    assert "accepted: numpy 1.0 -> 2.0" in accepted.out
    with open_store(database) as store:
        assert [(software["numpy"], count) for software, count in store.software("a study")] == [
            ("1.0", 12),
            ("2.0", 6),
        ]
    # What was accepted once need not be accepted again, in either version.
    assert command(run, *words, "--generations", "4").code == 0
    with_numpy("1.0", monkeypatch)
    assert command(run, *words, "--generations", "5").code == 0
    with sqlite3.connect(database) as connection:
        recorded = connection.execute("SELECT software FROM evaluation ORDER BY number").fetchall()
    assert [number for (number,) in recorded] == [0] * 12 + [1] * 12 + [0] * 6

    ended = command(verify, str(database))
    assert ended.code == 0, ended.err
    assert "18 evaluations with " in ended.out
    assert "12 evaluations with " in ended.out

    straight = [str(tmp_path / "straight.db") if word == str(database) else word for word in words]
    assert command(run, *straight, "--generations", "5").code == 0
    assert table(tmp_path / "straight.db", "a study") == table(database, "a study")


def test_settings_are_not_accepted_with_versions(
    words: list[str], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_numpy("1.0", monkeypatch)
    assert command(run, *words, "--generations", "1").code == 0
    with_numpy("2.0", monkeypatch)
    refused = command(run, *words, "--generations", "2", "--constraint", "macs<=1M", "--accept-versions")
    assert refused.code == 2
    assert "made with other settings: constraints none -> macs<=1" in refused.err
    assert "numpy" not in refused.err


def test_rows_that_come_out_differently_are_not_accepted(
    words: list[str], tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one row of a generation is wrong, and not the one that every resumed study compares."""
    with_numpy("1.0", monkeypatch)
    assert command(run, *words, "--generations", "1").code == 0
    with open_store(tmp_path / "studies.db") as store:
        second = int(store.evaluations("a study")[1].macs)
    with_numpy("2.0", monkeypatch)
    right = Size.__call__

    def wrong(self: Size, subnets: Sequence[Subnet]) -> Floats:
        values = right(self, subnets)
        changed: Floats = values + (values == second)
        return changed

    monkeypatch.setattr(Size, "__call__", wrong)
    refused = command(run, *words, "--generations", "2", "--accept-versions")
    assert refused.code == 2
    assert "cannot be resumed: for evaluation 1 macs is stored as" in refused.err
    with open_store(tmp_path / "studies.db") as store:
        assert [count for _, count in store.software("a study")] == [6]
