from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from objectives.objective import Objective
from objectives.workers.local_team import LocalTeam
from objectives.workers.shared_objective import SharedObjective, shared
from objectives.workers.stall_limit import DEATHS
from objectives.workers.versions import WorkerError
from search_space import complexity
from search_space.errors import H4HError
from search_space.space import load_space
from tests.objectives.workers.fragile import Fragile

ROOT = Path(__file__).parents[3]
SPACE = load_space("cifar32")
RNG = np.random.default_rng(0)
SUBNETS = [SPACE.decode(SPACE.sample(RNG)) for _ in range(7)]
MACS = [complexity.macs(subnet) for subnet in SUBNETS]


def is_running(process: int) -> bool:
    """Whether a process exists that has not ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_for_end(processes: set[int]) -> None:
    """Waits until none of the processes runs."""
    deadline = time.monotonic() + 30
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline, processes
        time.sleep(0.05)


def test_values_are_those_of_the_objective_and_workers_stay(tmp_path: Path) -> None:
    objective = Fragile(tmp_path)
    team_objective = shared(objective, workers=2)
    assert isinstance(team_objective, SharedObjective)
    assert isinstance(team_objective, Objective)
    for name in ("name", "unit", "direction", "is_expensive"):
        assert getattr(team_objective, name) == getattr(objective, name)
    assert team_objective.fingerprint() == objective.fingerprint()
    assert team_objective([]).tolist() == []
    assert objective.pids() == set()  # Nothing is started for nothing.
    for _ in range(3):
        assert team_objective(SUBNETS).tolist() == MACS
    assert len(objective.pids()) == 2
    assert os.getpid() not in objective.pids()
    team_objective.close()
    wait_for_end(objective.pids())
    team_objective.close()
    assert team_objective(SUBNETS[:1]).tolist() == MACS[:1]  # Starts anew.
    assert len(objective.pids()) == 3
    del team_objective  # Forgotten without being closed.
    wait_for_end(objective.pids())


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    objective = Fragile(tmp_path)
    assert shared(objective) is objective


def test_what_dead_workers_had_is_measured_by_others(tmp_path: Path) -> None:
    objective = Fragile(tmp_path, deaths=DEATHS - 1)
    team = LocalTeam(objective, 2)
    parts = [SUBNETS[:1], SUBNETS[1:5], SUBNETS[5:]]
    found = team.measure(parts)
    assert [values.tolist() for values in found] == [MACS[:1], MACS[1:5], MACS[5:]]
    assert len(list(tmp_path.glob("*.death"))) == DEATHS - 1
    # Killed while they are idle.
    for process in objective.pids():
        if is_running(process):
            os.kill(process, signal.SIGKILL)
    found = team.measure(parts)
    assert [values.tolist() for values in found] == [MACS[:1], MACS[1:5], MACS[5:]]
    team.close()
    wait_for_end(objective.pids())


def test_a_part_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    objective = Fragile(tmp_path, deaths=DEATHS)
    team = LocalTeam(objective, 1)
    with pytest.raises(
        WorkerError, match=rf"{DEATHS} workers died or stalled .* 7 subnets.*SIGKILL.*--memory"
    ):
        team.measure([SUBNETS])
    wait_for_end(objective.pids())
    assert team.measure([SUBNETS])[0].tolist() == MACS


@pytest.mark.slow
def test_what_a_stopped_worker_had_is_measured_by_others(tmp_path: Path) -> None:
    objective = Fragile(tmp_path, stalls=1)
    team = LocalTeam(objective, 2, patience=2, least_wait_s=1)
    found = team.measure([SUBNETS[:1], SUBNETS[1:5], SUBNETS[5:]])
    assert [values.tolist() for values in found] == [MACS[:1], MACS[1:5], MACS[5:]]
    assert len(list(tmp_path.glob("*.stall"))) == 1
    team.close()
    wait_for_end(objective.pids())


def test_an_error_of_the_objective_arrives_as_it_is(tmp_path: Path) -> None:
    objective = Fragile(tmp_path, refused=MACS[6])
    team = LocalTeam(objective, 2)
    with pytest.raises(H4HError, match=r"^refused$"):
        team.measure([SUBNETS[:3], SUBNETS[3:]])
    assert team.measure([SUBNETS[:3], SUBNETS[3:6]])[1].tolist() == MACS[3:6]
    team.close()


OWNER = """
import sys
from pathlib import Path
from tests.objectives.workers.fragile import Fragile
from objectives.workers.local_team import LocalTeam
from search_space.space import load_space
if __name__ == "__main__":
    space = load_space("cifar32")
    subnets = [space.decode(space.smallest())] * 2
    team = LocalTeam(Fragile(Path(sys.argv[1]), seconds=float(sys.argv[2])), 2)
    team.measure([subnets[:1], subnets[1:]])
    print("done", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("is_busy", [True, False])
def test_workers_end_when_their_owner_is_killed(tmp_path: Path, is_busy: bool) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), "600" if is_busy else "0"],
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    objective = Fragile(tmp_path)
    assert process.stdout is not None
    if not is_busy:
        assert process.stdout.readline() == b"done\n"
    while len(objective.pids()) < 2:
        time.sleep(0.05)
    assert all(map(is_running, objective.pids()))
    process.kill()
    process.communicate()
    wait_for_end(objective.pids())
