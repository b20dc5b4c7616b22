"""Power cuts while a study is stored: every committed row survives."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from tests.faults.recorded_disk import MARK, Operation, RecordedDisk, record
from tests.faults.test_damaged_database import STUDY

ROOT = Path(__file__).parents[2]
GROUP = 3
SEEDS = 3


def group(number: int) -> list[Evaluation]:
    """Evaluations that are stored together."""
    return [
        Evaluation(
            index=index,
            genotype=(index, *(index // 2**place % 2 for place in range(20))),
            values=(50 + index / 7, index / 3),
            limited=(index / 3,),
            is_feasible=True,
            macs=10_000_000 + index,
            params=200_000,
            conv_blocks=5,
            vit_blocks=1,
            family="mixed",
            stopped_after=None,
        )
        for index in range(GROUP * number, GROUP * (number + 1))
    ]


def write(path: Path) -> None:
    """What is recorded: a study is stored in two sessions, and each finished step is marked."""
    for session in range(2):
        with create_store(path) as store:
            if session == 0:
                store.add(STUDY)
                os.write(1, MARK + b"0\n")
            for number in range(3 * session, 3 * session + 3):
                store.append(STUDY.name, group(number))
                os.write(1, MARK + f"{number + 1}\n".encode())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Operation]]:
    """The folder and the operations of `write`."""
    if shutil.which("strace") is None:
        pytest.skip("needs the strace program")
    folder = tmp_path_factory.mktemp("recorded")
    trace = tmp_path_factory.mktemp("trace") / "trace.txt"
    code = (
        "from pathlib import Path; from tests.faults.test_power_cut import write; "
        f"write(Path({str(folder / 'studies.db')!r}))"
    )
    try:
        operations = record(["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", code], folder, trace)
    except subprocess.CalledProcessError:
        pytest.skip("strace must not trace processes here")
    assert [int(each.data) for each in operations if each.kind == "mark"] == list(range(7))
    return folder, operations


def outcomes(
    recorded: tuple[Path, list[Operation]], tmp_path: Path, *, is_syncing: bool
) -> list[tuple[int, int | None]]:
    """For each power cut: the steps that were finished, and those that are there; None for an error."""
    folder, operations = recorded
    disk, finished, found = RecordedDisk(folder, is_syncing=is_syncing), -1, []
    for place, operation in enumerate(operations):
        disk.run(operation)
        if operation.kind == "mark":
            finished = int(operation.data)
        for seed in range(SEEDS):
            after = tmp_path / f"{place}-{seed}"
            after.mkdir()
            disk.after_cut(after, random.Random(f"{place} {seed}"))
            found.append((finished, steps(after / "studies.db")))
            shutil.rmtree(after)
    return found


def steps(path: Path) -> int | None:
    """Finished steps that a database holds: -1 for no study, else the number of groups; None for an error."""
    try:
        with create_store(path) as store:  # As the repeated command does.
            if store.find(STUDY.name) is None:
                return -1
            evaluations = store.evaluations(STUDY.name)
            assert store.study(STUDY.name) == STUDY
            assert store.problems() == []
        with open_store(path) as store:
            assert store.evaluations(STUDY.name) == evaluations
    except H4HError:
        return None
    number, rest = divmod(len(evaluations), GROUP)
    assert rest == 0
    assert evaluations == [row for each in range(number) for row in group(each)]
    return number


def test_every_committed_row_survives_a_power_cut(
    recorded: tuple[Path, list[Operation]], tmp_path: Path
) -> None:
    found = outcomes(recorded, tmp_path, is_syncing=True)
    assert len(found) > 300
    lost = [(finished, there) for finished, there in found if there is None or there < finished]
    # While an empty database is created, nothing is stored that could be lost.
    assert [each for each in lost if each[0] >= 0] == []
    # Steps that were not finished may be there as well, but only the next one.
    assert all(there is None or there <= finished + 1 for finished, there in found)


def test_without_syncs_rows_would_be_lost(recorded: tuple[Path, list[Operation]], tmp_path: Path) -> None:
    # Shows that the simulation can tell.
    found = outcomes(recorded, tmp_path, is_syncing=False)
    assert sum(finished >= 0 and (there is None or there < finished) for finished, there in found) > 100
