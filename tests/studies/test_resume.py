"""Kill -9 at random moments, then the same command: the same table, for every sampler."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from studies.samplers.registry import known_samplers

ROOT = Path(__file__).parents[2]
COMMON = ("--objectives", "params,lat,macs", "--constraint", "macs<=20M", "--population", "8")
WARM = ("--seed-subnets", "max", "--warm-start", "first.db:first")
SIZES = {"optuna-gp": ("2", 1)}
"""Generations, and how often it is killed, of a sampler that takes seconds per network."""
USUAL = ("5", 4)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "studies.run", *COMMON, *arguments]


def environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def rows(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM evaluation ORDER BY study, number").fetchall()


def run(folder: Path, *arguments: str) -> None:
    subprocess.run(command(*arguments), check=True, cwd=folder, env=environment(), capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", known_samplers())
def test_killed_at_random_moments_gives_the_same_table(tmp_path: Path, name: str, tiny_path: Path) -> None:
    generations, wanted_kills = SIZES.get(name, USUAL)
    rng = random.Random(name)
    run(tmp_path, "--db", "first.db", "--study", "first", "--generations", "2", "--seed", "1")
    arguments = ["--sampler", name, "--study", "mine", *WARM]
    begun = time.monotonic()
    run(tmp_path, "--db", "whole.db", "--generations", generations, *arguments)
    whole_s = time.monotonic() - begun
    # The other study goes on: what was taken from it is kept with this one.
    broken = ["--db", "broken.db", *arguments]
    run(tmp_path, *broken, "--evaluations", "3")
    run(tmp_path, "--db", "first.db", "--study", "first", "--generations", "4", "--seed", "1")
    kills = 0
    for _ in range(wanted_kills):
        process = subprocess.Popen(
            command(*broken, "--generations", generations),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0, whole_s))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    run(tmp_path, *broken, "--generations", generations)
    assert rows(tmp_path / "broken.db") == rows(tmp_path / "whole.db")
    assert len(rows(tmp_path / "whole.db")) == 8 * int(generations)
    assert kills
