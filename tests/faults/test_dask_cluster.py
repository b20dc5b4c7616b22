"""Faults of a Dask cluster, with a scheduler and workers that are processes of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import distributed
import numpy as np
import pytest

from objectives.workers.dask_team import DaskTeam
from objectives.workers.stall_limit import StallLimit
from objectives.workers.versions import WorkerError
from search_space import complexity
from search_space.arrays import Floats
from search_space.errors import H4HWarning
from search_space.space import load_space
from search_space.subnet import Subnet
from tests.dask_processes import DaskProcesses, certificates
from tests.objectives.workers.fragile import Fragile
from tests.warm_process import ROOT, WarmProcess

pytestmark = pytest.mark.slow

SPACE = load_space("cifar32")
RNG = np.random.default_rng(0)
SUBNETS = [SPACE.decode(SPACE.sample(RNG)) for _ in range(4)]
MACS = [complexity.macs(subnet) for subnet in SUBNETS]
PARTS = [[subnet] for subnet in SUBNETS]


@dataclass(frozen=True)
class Deviating(Fragile):
    """An objective that gives other values where a variable of the environment is set."""

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return super().__call__(subnets) + ("DEVIATES" in os.environ)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with two workers."""
    with DaskProcesses(tmp_path_factory.mktemp("cluster")) as processes:
        processes.worker()
        processes.worker()
        processes.wait_for(2)
        yield processes


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stopped_worker_does_not_stall_a_study(cluster: DaskProcesses, tmp_path: Path) -> None:
    objective = Fragile(tmp_path, stalls=1)
    team = DaskTeam(objective, cluster.address, silent_s=3, stall_limit=StallLimit(least_wait_s=1000))
    start = time.monotonic()
    assert [values.tolist() for values in team.measure(PARTS)] == [[macs] for macs in MACS]
    assert time.monotonic() - start < 60
    assert len(list(tmp_path.glob("*.stall"))) == 1
    state = team.state()
    assert (state.workers, state.handed_again) == (1, 1)
    assert str(state) == "1 worker, 1 part handed out again"
    for process in objective.pids():
        os.kill(process, signal.SIGCONT)
    # It answers again, and gets parts again.
    wait_until(
        lambda: [v.tolist() for v in team.measure(PARTS)] == [[m] for m in MACS] and team.state().workers == 2
    )
    assert len(team.state().subnets_per_second) == 2
    team.close()


def test_a_worker_that_is_late_is_overtaken_by_an_idle_one(cluster: DaskProcesses, tmp_path: Path) -> None:
    # No heartbeat stops here: the process sleeps, and only its part does not end.
    objective = Fragile(tmp_path, sleeps=1)
    team = DaskTeam(objective, cluster.address, stall_limit=StallLimit(patience=1000, least_wait_s=1))
    start = time.monotonic()
    assert [values.tolist() for values in team.measure(PARTS)] == [[macs] for macs in MACS]
    assert time.monotonic() - start < 30
    assert team.state().handed_again == 1
    (tmp_path / "wake").touch()
    team.close()


OWNER = """
import sys
from pathlib import Path
from objectives.workers.dask_team import DaskTeam
from search_space.space import load_space
from tests.objectives.workers.fragile import Fragile
from tests.warm_process import WarmProcess
space = load_space("cifar32")
team = DaskTeam(Fragile(Path(sys.argv[2])), sys.argv[1])
team.measure([[space.decode(space.smallest())]])
print("done", flush=True)
sys.stdin.read()
"""


def test_nothing_stays_behind_when_a_client_is_killed(cluster: DaskProcesses, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, cluster.address, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    with distributed.Client(cluster.address, set_as_default=False) as client:

        def tasks() -> int:
            return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))

        def kept() -> int:
            return sum(client.run(lambda dask_worker: len(dask_worker.data)).values())

        assert tasks() > 0
        assert kept() > 0
        process.kill()
        process.communicate()
        wait_until(lambda: tasks() == 0 and kept() == 0)


def test_workers_that_join_with_other_code_or_values_get_no_parts(
    cluster: DaskProcesses, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for package in ("search_space", "objectives", "supernet", "studies", "tests"):
        shutil.copytree(
            ROOT / package,
            other / package,
            ignore=lambda _, names: [n for n in names if Path(n).suffix not in ("", ".py", ".yaml")],
        )
    for name in ("h4h_packages.py", "h4h_start.py"):
        shutil.copy(ROOT / name, other)
    changed = other / "objectives" / "accuracy_objective.py"
    changed.write_text(changed.read_text() + "\n# A line more.\n")

    objective = Deviating(tmp_path)
    team = DaskTeam(objective, cluster.address, probe=SUBNETS[:1])
    cluster.worker(path=other, is_warm=False)
    cluster.worker(is_warm=False, ATEN_CPU_CAPABILITY="default")
    cluster.worker(DEVIATES="1")
    cluster.wait_for(5)
    messages: list[str] = []

    def are_refused() -> bool:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert [values.tolist() for values in team.measure(PARTS)] == [[macs] for macs in MACS]
        messages.extend(str(each.message) for each in caught if each.category is H4HWarning)
        return len(messages) == 3

    wait_until(are_refused)
    assert all("it gets no parts, the others go on" in message for message in messages)
    assert sum("source digest" in message for message in messages) == 1
    assert sum("CPU kernels" in message and "DEFAULT there" in message for message in messages) == 1
    assert sum(f"gives {MACS[0] + 1.0!r} for the probe" in message for message in messages) == 1
    assert team.state().workers == 2
    team.close()
    with pytest.raises(WorkerError, match=r"worker .* (would give other values|for the probe subnet)"):
        DaskTeam(objective, cluster.address, probe=SUBNETS[:1])


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("600MiB", r"took [\d.]+ MB before it could measure, and its memory limit is 629 MB, of which 70%"),
        (
            "1500MiB",
            r"may fill 1\.1 GB \(70% of its limit of 1\.57 GB\), but needs up to [\d.]+ GB: .* after set-up",
        ),
    ],
)
def test_a_worker_with_too_little_memory_is_refused_with_both_numbers(
    tmp_path: Path, limit: str, message: str
) -> None:
    with DaskProcesses(tmp_path) as processes:
        # An interpreter of its own, since its memory is looked at.
        preload = ("--preload", "objectives.workers.preload")
        processes.worker("--memory-limit", limit, *preload, is_warm=False)
        with pytest.raises(WorkerError, match=message):
            DaskTeam(Fragile(tmp_path), processes.address, memory=1e9)


def test_a_lost_scheduler_ends_in_one_line_and_the_command_that_goes_on(tmp_path: Path) -> None:
    with DaskProcesses(tmp_path) as processes:
        processes.worker()
        run = WarmProcess(
            [
                *("-m", "tests.studies.spread_run", "0.1", processes.address),
                *(
                    "--objectives",
                    "quality,params",
                    "--study",
                    "mine",
                    "--population",
                    "8",
                    "--generations",
                    "9",
                ),
            ],
            folder=tmp_path,
            environment={**os.environ, "PYTHONPATH": str(ROOT)},  # Limits of the CPU hold for workers, too.
        )
        while "front" not in (line := run.stdout.readline()):
            assert line, run.communicate()
        processes.scheduler.kill()
        out, error = run.communicate(timeout=120)
    assert run.returncode == 2, error
    (line,) = error.splitlines()
    assert line.startswith(f"error: the Dask cluster at {processes.address} is lost (")
    assert "evaluations are stored in studies.db; to resume:" in out
    assert "python -m studies.run --objectives quality,params --study mine" in out.splitlines()[-1]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program to make certificates")
def test_with_certificates_only_those_who_have_them_connect(tmp_path: Path) -> None:
    authority, certificate, key = files = certificates(tmp_path)
    tls = ("--tls-ca-file", authority, "--tls-cert", certificate, "--tls-key", key)
    with DaskProcesses(tmp_path, "--protocol", "tls", *tls) as processes:
        assert processes.address.startswith("tls://")
        processes.worker("--protocol", "tls", *tls)
        team = DaskTeam(Fragile(tmp_path), processes.address, tls=files)
        assert team.measure(PARTS[:1])[0].tolist() == MACS[:1]
        team.close()
        with pytest.raises(
            WorkerError, match=r"no Dask scheduler answers at --dask tls://.*needs --dask-tls"
        ):
            DaskTeam(Fragile(tmp_path), processes.address, connect_s=2)
        with pytest.raises(WorkerError, match=r"--dask-tls: absent\.pem does not exist"):
            DaskTeam(Fragile(tmp_path), processes.address, tls=("absent.pem", *files[1:]))
