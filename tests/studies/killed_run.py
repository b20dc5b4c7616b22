"""Runs of studies in processes of their own, some of which are killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from search_space.files.cache_folder import VARIABLE
from studies.storage.store import open_store
from tests.warm_process import ROOT, WarmProcess

DEFAULTS = {"--objectives": "quality,params,lat", "--constraint": "macs<=18M", "--population": "6"}
"""Options of a run, unless it is given them; constraints add up."""


def start(folder: Path, *arguments: str) -> WarmProcess:
    """`studies.run` in another process, with an objective that takes some milliseconds."""
    return WarmProcess(_words(arguments), folder=folder, environment=_environment())


def run(folder: Path, *arguments: str) -> None:
    """The same to its end."""
    process = start(folder, *arguments)
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")


def run_anew(folder: Path, *arguments: str) -> None:
    """The same in a new interpreter, whose sets have another order than those of `run`."""
    command = [sys.executable, *_words(arguments)]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def _words(arguments: Sequence[str]) -> list[str]:
    defaults = [
        word
        for option in DEFAULTS.items()
        if option[0] == "--constraint" or option[0] not in arguments
        for word in option
    ]
    return ["-m", "tests.studies.slow_run", "0.01", *defaults, *arguments]


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", VARIABLE: os.environ[VARIABLE]}


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


def killed(database: Path, rng: random.Random, *arguments: str, most: int) -> bool:
    """Goes on with a study and kills it after up to `most` more evaluations; False if it ended before."""
    process = start(database.parent, *arguments, "--db", database.name)
    wanted = count(database) + rng.randint(0, most)
    while process.poll() is None and count(database) < wanted:
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.03))
    process.kill()
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0
