"""On a real cluster of processes on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import numpy as np
import pytest

from objectives.workers.dask_team import DaskTeam
from objectives.workers.shared_objective import Cluster, SharedObjective, shared
from objectives.workers.versions import WorkerError, versions
from search_space import complexity
from search_space.errors import H4HError
from search_space.space import load_space
from tests.objectives.workers.fragile import Fragile
from tests.warm_workers import local_cluster

pytestmark = pytest.mark.slow

SPACE = load_space("cifar32")
RNG = np.random.default_rng(0)
SUBNETS = [SPACE.decode(SPACE.sample(RNG)) for _ in range(7)]
MACS = [complexity.macs(subnet) for subnet in SUBNETS]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with local_cluster(2) as cluster:
        yield str(cluster.scheduler_address)


def test_values_are_those_of_the_objective(address: str, tmp_path: Path) -> None:
    objective = Fragile(tmp_path)
    team_objective = shared(objective, cluster=Cluster(address))
    assert isinstance(team_objective, SharedObjective)
    for _ in range(2):
        assert team_objective(SUBNETS).tolist() == MACS
    assert len(objective.pids()) == 2
    team_objective.close()
    team_objective.close()


def test_what_killed_workers_had_is_measured_by_others(address: str, tmp_path: Path) -> None:
    # The one that replaces it gets the objective, too.
    objective = Fragile(tmp_path, deaths=2)
    team_objective = shared(objective, cluster=Cluster(address))
    for _ in range(2):
        assert team_objective(SUBNETS).tolist() == MACS
    assert len(list(tmp_path.glob("*.death"))) == 2
    assert len(objective.pids()) > 2
    assert isinstance(team_objective, SharedObjective)
    team_objective.close()


def test_subnets_that_kill_every_worker_are_given_up(tmp_path: Path) -> None:
    # In a cluster of its own: on a busy machine Dask may not replace so many workers, and stay without any.
    with local_cluster(2) as cluster:
        team = DaskTeam(Fragile(tmp_path, deaths=1000), str(cluster.scheduler_address))
        with pytest.raises(
            WorkerError, match=r"died or stalled while they measured the same subnets.*--memory"
        ):
            team.measure([SUBNETS])
        team.close()


def test_an_error_of_the_objective_arrives_as_it_is(address: str, tmp_path: Path) -> None:
    team = DaskTeam(Fragile(tmp_path, refused=MACS[6]), address)
    with pytest.raises(H4HError, match=r"^refused$"):
        team.measure([SUBNETS[:3], SUBNETS[3:]])
    team.close()


def test_workers_of_another_version_are_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {**versions(), "numpy": "1.0"}
    monkeypatch.setattr("objectives.workers.admission.versions", lambda: here)
    with pytest.raises(WorkerError, match=r"worker tcp://.*numpy 1\.0 here, 2\.[\d.]+ there"):
        DaskTeam(Fragile(tmp_path), address)


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:1", "127.0.0.1", "nonsense:", "http://127.0.0.1:1", ""])
def test_an_address_where_nobody_answers_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(WorkerError, match=r"--dask .* within 1 s; it must be an address such as tcp://"):
        DaskTeam(Fragile(tmp_path), wrong, connect_s=1)


def test_a_cluster_without_workers_is_given_up(tmp_path: Path) -> None:
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty:
        start = time.monotonic()
        with pytest.raises(WorkerError, match=r"has had no worker that answers for 0\.2 s"):
            DaskTeam(Fragile(tmp_path), empty.scheduler_address, patience_s=0.2)
        assert time.monotonic() - start < 30


def test_a_cluster_that_ends_is_an_error(tmp_path: Path) -> None:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as short:
        team = DaskTeam(Fragile(tmp_path), short.scheduler_address)
    with pytest.raises(WorkerError, match=r"the Dask cluster at .* is lost"):
        team.measure([SUBNETS])
    team.close()
