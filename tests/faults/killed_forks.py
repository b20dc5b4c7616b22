"""A study that is killed ten times, each time in a fork of a process that has imported everything.

Run by `test_many_kills.py`: `python -m tests.faults.killed_forks SAMPLER FOLDER`. Prints the number of kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from search_space.errors import H4HError
from studies import StudySettings, run_study
from studies.study.settings import PREFERRING
from tests.studies.conftest import TINY
from tests.studies.killed_run import rows
from tests.studies.quality import Quality

KILLS = 10
ATTEMPTS = 40
GENERATIONS = {"optuna-gp": 3}
"""Generations of samplers whose replay takes long."""
MOST_GENERATIONS = 20
POPULATION = 4
SECONDS = 0.003
"""Time of one evaluation."""


def search_earlier(generations: int) -> None:
    """Runs or resumes the study whose front the killed one starts from."""
    settings = StudySettings(
        objectives=("quality", "params"),
        space="tiny.yaml",
        sampler="random",
        seed=1,
        population=POPULATION,
        generations=generations,
        study="first",
    )
    run_study(settings, database="first.db", objectives=[Quality()])


def search(database: Path, sampler: str, generations: int, on_start: Callable[[], object]) -> None:
    """Runs or resumes the study."""
    settings = StudySettings(
        objectives=("quality", "params"),
        constraints=("params<=5k",),
        warm_start=("first.db:first",),
        prefer=("quality=60%,params=3k",) if sampler == PREFERRING else (),
        space="tiny.yaml",
        sampler=sampler,
        population=POPULATION,
        generations=generations,
        study="mine",
    )
    run_study(
        settings,
        database=database,
        objectives=[Quality(seconds=SECONDS)],
        on_progress=lambda progress: on_start() if not progress.evaluations else None,
    )


def is_killed(database: Path, sampler: str, generations: int, rng: random.Random) -> bool:
    """Resumes the study in a fork and kills it; False if it ended before."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            search(database, sampler, generations, lambda: os.write(sending, b"."))
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    os.close(sending)
    if rng.random() < 0.8:  # Else in the midst of opening the database.
        os.read(receiving, 1)
    time.sleep(rng.uniform(0, 0.03))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    os.close(receiving)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a resumed run failed"
    return os.WIFSIGNALED(status)


def main(sampler: str, folder: Path) -> None:
    os.chdir(folder)
    Path("tiny.yaml").write_text(TINY)
    generations = GENERATIONS.get(sampler, MOST_GENERATIONS)
    whole, broken = Path("whole.db"), Path("broken.db")
    search_earlier(1)
    search(whole, sampler, generations, lambda: None)
    rng = random.Random(sampler)
    kills = 0
    for _ in range(ATTEMPTS):
        kills += is_killed(broken, sampler, generations, rng)
        if kills == KILLS:
            break
        if (
            kills == KILLS // 2
        ):  # The earlier study goes on, but what was taken from it is kept with this one.
            search_earlier(9)
    search(broken, sampler, generations, lambda: None)
    for table in ("evaluation", "generation"):
        if rows(broken, table) != rows(whole, table):
            raise H4HError(f"the killed study has another table {table}")
    print(kills, len(rows(whole)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
