"""Any number of workers, killed or not: the same table; and nothing is left running."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import distributed
import pytest

from studies.storage.store import open_store
from tests.warm_process import ROOT, WarmProcess
from tests.warm_workers import local_cluster

OBJECTIVES = ("--objectives", "quality,params", "--constraint", "macs<=18M", "--study", "mine")
SIZE = ("--population", "8", "--generations", "4", "--sampler", "nsga2")


def start(folder: Path, workers: object, *arguments: str, seconds: float = 0.01) -> WarmProcess:
    """`studies.run` whose `quality` is measured by workers, in a session of its own."""
    return WarmProcess(
        [
            *("-m", "tests.studies.spread_run", str(seconds), str(workers)),
            *(*OBJECTIVES, *SIZE, *arguments),
        ],
        folder=folder,
        environment={**os.environ, "PYTHONPATH": str(ROOT)},  # Limits of the CPU hold for workers, too.
        is_apart=True,
    )


def run(folder: Path, workers: object, *arguments: str) -> None:
    """The same to its end."""
    process = start(folder, workers, *arguments)
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")


def rows(path: Path) -> list[tuple[object, ...]]:
    """The evaluations of a database as they are."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM evaluation ORDER BY study, number").fetchall()


def count(path: Path) -> int:
    """Rows of a database in which another process may be writing."""
    if not path.exists():
        return 0
    with open_store(path) as store:
        return store.count("mine")


def session(leader: int) -> list[int]:
    """Other processes of the session, without those that have ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == leader != int(stat.parent.name) and words[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def workers_of(leader: int) -> list[int]:
    """Its processes that measure; the standard library has one of its own that tracks resources."""
    found = []
    for process in session(leader):
        try:
            words = Path(f"/proc/{process}/cmdline").read_text()
        except OSError:
            continue
        if "spawn_main" in words:
            found.append(process)
    return found


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The table of a run in one process."""
    folder = tmp_path_factory.mktemp("whole")
    run(folder, 1)
    table = rows(folder / "studies.db")
    assert len(table) == 32
    return table


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_gives_the_same_table(
    tmp_path: Path, whole: list[tuple[object, ...]], workers: int
) -> None:
    run(tmp_path, workers)
    assert rows(tmp_path / "studies.db") == whole


@pytest.mark.slow
def test_a_dask_cluster_that_loses_workers_gives_the_same_table(
    tmp_path: Path, whole: list[tuple[object, ...]]
) -> None:
    with local_cluster(2) as cluster:
        process = start(tmp_path, cluster.scheduler_address, seconds=0.1)
        with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
            workers = client.run(os.getpid)
            for killed, victim in enumerate(workers.values()):
                wait_until(lambda known=8 * killed + 2: count(tmp_path / "studies.db") >= known)  # type: ignore[misc]
                os.kill(victim, signal.SIGKILL)
            _, error = process.communicate()
            assert not set(client.run(os.getpid).values()) & set(workers.values())
    assert (process.returncode, error) == (0, "")
    assert rows(tmp_path / "studies.db") == whole


@pytest.mark.slow
def test_killed_workers_and_killed_runs_give_the_same_table(
    tmp_path: Path, whole: list[tuple[object, ...]]
) -> None:
    path = tmp_path / "studies.db"
    rng = random.Random(5)
    for workers in (2, 3):
        process = start(tmp_path, workers, seconds=0.15)
        stored = count(path)
        wait_until(lambda pid=process.pid: bool(workers_of(pid)))  # type: ignore[misc]
        os.kill(rng.choice(workers_of(process.pid)), signal.SIGKILL)
        wait_until(lambda stored=stored: count(path) > stored)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda pid=process.pid: not session(pid))  # type: ignore[misc]
    run(tmp_path, 2)
    assert rows(path) == whole


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_says_how_to_go_on(
    tmp_path: Path, whole: list[tuple[object, ...]]
) -> None:
    process = start(tmp_path, 2, seconds=20)
    wait_until(lambda: len(workers_of(process.pid)) == 2)
    for _ in range(2):  # The first one would wait for the group at hand.
        os.killpg(process.pid, signal.SIGINT)  # As a terminal does: all of them get it.
        time.sleep(0.5)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "stopped by SIGINT"
    assert "to resume" in out
    wait_until(lambda: not session(process.pid))
    assert [path.name for path in tmp_path.iterdir()] == ["studies.db"]
    run(tmp_path, 3)
    assert rows(tmp_path / "studies.db") == whole
