"""Kill -9 at random moments, then the same command: the same table, for every sampler."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from studies.samplers.registry import known_samplers
from studies.store import open_store

ROOT = Path(__file__).parents[2]
OBJECTIVES = ("--objectives", "quality,params,lat", "--constraint", "macs<=18M", "--population", "6")
KILLS = 3


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`studies.run` in another process, with an objective that takes some milliseconds."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.studies.slow_run", "0.01", *OBJECTIVES, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "H4H_CACHE": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *arguments: str) -> None:
    """The same to its end."""
    process = start(folder, *arguments)
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")


def rows(path: Path, table: str = "evaluation") -> list[tuple[object, ...]]:
    """A table of a database as it is."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY study, number").fetchall()


def count(path: Path) -> int:
    """Rows of a database in which another process may be writing."""
    if not path.exists():
        return 0
    with open_store(path) as store:
        return sum(store.count(study.name) for study in store.studies())


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study to start from, and the same study when it has gone on."""
    folder = tmp_path_factory.mktemp("earlier")
    arguments = ("--study", "first", "--seed", "1", "--sampler", "random")
    run(folder, *arguments, "--db", "short.db", "--generations", "1")
    shutil.copy(folder / "short.db", folder / "long.db")
    run(folder, *arguments, "--db", "long.db", "--generations", "9")
    return folder / "short.db", folder / "long.db"


@pytest.mark.slow
@pytest.mark.parametrize("name", known_samplers())
def test_killed_at_random_moments_gives_the_same_table(
    tmp_path: Path, tiny_path: Path, earlier: tuple[Path, Path], name: str
) -> None:
    short, long = earlier
    arguments = ["--sampler", name, "--study", "mine"]
    if name == "optuna-gp":  # Over the 58 genes of the real space it would take minutes.
        arguments += ["--generations", "3", "--space", str(tiny_path), "--objectives", "quality,params"]
    else:
        arguments += ["--generations", "6", "--warm-start", "first.db:first"]
    shutil.copy(short, tmp_path / "first.db")
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    run(tmp_path, *arguments, "--db", "whole.db")
    assert len(rows(whole)) == (18 if name == "optuna-gp" else 36)

    rng = random.Random(name)
    kills = 0
    while True:
        process = start(tmp_path, *arguments, "--db", "broken.db")
        wanted = count(broken) + rng.randint(0, len(rows(whole)) // KILLS - 1)
        while kills < KILLS and process.poll() is None and count(broken) < wanted:
            time.sleep(0.005)
        if kills < KILLS:
            time.sleep(rng.uniform(0, 0.03))
            process.kill()
        process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        # The other study goes on, but what was taken from it is kept with this one.
        if broken.exists() and count(broken):
            shutil.copy(long, tmp_path / "first.db")
    assert kills == KILLS
    assert rows(broken) == rows(whole)
    assert rows(broken, "generation") == rows(whole, "generation")
    assert len(rows(whole, "generation")) == (6 if name == "surrogate" else 0)


@pytest.mark.slow
def test_killed_while_subnets_race_gives_the_same_table(tmp_path: Path) -> None:
    arguments = ("--objectives", "acc,params", "--population", "12", "--generations", "4", "--racing")
    run(tmp_path, *arguments, "--db", "whole.db")
    broken = tmp_path / "broken.db"
    rng = random.Random(0)
    for _ in range(4):
        process = start(tmp_path, *arguments, "--db", "broken.db")
        wanted = count(broken) + rng.randint(1, 10)
        while process.poll() is None and count(broken) < wanted:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.03))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    run(tmp_path, *arguments, "--db", "broken.db")
    assert rows(broken) == rows(tmp_path / "whole.db")
    with open_store(broken) as store:
        (study,) = store.studies()
        assert sum(one.is_bound for one in store.evaluations(study.name)) >= 8
