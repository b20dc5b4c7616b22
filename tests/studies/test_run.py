from __future__ import annotations

import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from search_space.arrays import Floats
from search_space.command.command_line import run_command
from search_space.command.printed_command import local_command
from search_space.subnet import Subnet
from studies import run
from studies.storage.store import open_store
from tests.warm_process import ROOT, WarmProcess

QUICK = ("--objectives", "macs,params", "--population", "6")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path: Path | str) -> list[tuple[object, ...]]:
    """The evaluations of a database as they are."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM evaluation ORDER BY study, number").fetchall()


def count(path: Path) -> int:
    """Rows of a database in which another process may be writing."""
    if not path.exists():
        return 0
    with open_store(path) as store:
        return sum(store.count(study.name) for study in store.studies())


def start(*arguments: str, seconds: float = 0.01) -> WarmProcess:
    return WarmProcess(
        ["-m", "tests.studies.slow_run", str(seconds), *arguments],
        environment={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that exits with 2."""
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: run.main(arguments))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_first_run_prints_progress_front_and_next_commands(capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*QUICK, "--generations", "3"])
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert "cifar32-macs-params-s0" in lines[0]
    assert [line.split()[0] for line in lines[1:4]] == ["6/18", "12/18", "18/18"]
    assert "Pareto front" in out
    for command in ("studies.run", "studies.show", "objectives.profile"):
        assert f"python -m {command}" in out
    assert [path.name for path in Path.cwd().iterdir()] == ["studies.db"]


def test_printed_commands_are_ones_that_work(capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*QUICK, "--generations", "2", "--study", "it's mine", "--constraint", "params<=300k"])
    out = capsys.readouterr().out
    more = next(line for line in out.splitlines() if "continue the search" in line)
    words = shlex.split(more[more.index("python") :])
    assert words[:3] == ["python", "-m", "studies.run"]
    run.main(words[3:])
    assert "24/24 evaluations" in capsys.readouterr().out
    with open_store(Path("studies.db")) as store:
        assert [study.name for study in store.studies()] == ["it's mine"]
        assert store.count("it's mine") == 24


def test_same_command_again_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*QUICK, "--generations", "3"])
    before, first = rows("studies.db"), capsys.readouterr().out
    run.main([*QUICK, "--generations", "3"])
    second = capsys.readouterr().out
    assert rows("studies.db") == before
    assert "resuming after 18 evaluations" in second
    assert second[second.index("Pareto") :] == first[first.index("Pareto") :]


def test_more_generations_equal_one_longer_run() -> None:
    run.main([*QUICK, "--generations", "2"])
    run.main([*QUICK, "--generations", "5"])
    run.main([*QUICK, "--generations", "5", "--db", "whole.db"])
    assert rows("studies.db") == rows("whole.db")
    assert len(rows("whole.db")) == 30


def test_order_of_objectives_is_kept_and_constraints_may_need_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run.main(
        [
            "--objectives",
            "sram,energy, macs",
            "--population",
            "4",
            "--generations",
            "1",
            "--constraint",
            "lat<=2ms",
        ]
    )
    with open_store(Path("studies.db")) as store:
        (study,) = store.studies()
        evaluations = store.evaluations(study.name)
    assert study.objectives == ("sram", "energy", "macs")
    assert study.constraints == ("lat<=2ms",)
    assert all((one.limited[0] or 0) > 0 for one in evaluations)
    assert "violate lat<=2ms" in capsys.readouterr().out  # The largest subnet is slower.


def test_nothing_feasible_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*QUICK, "--generations", "1", "--constraint", "lat<=1ns"])
    out = capsys.readouterr().out
    assert "the smallest network has" in out
    assert "lat<=1e-06ms: 0 of 6 networks satisfy it, nearest value" in out
    assert "relax a limit" in out


def test_exhausted_space_is_said(tiny_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--objectives", "macs,params", "--population", "40", "--generations", "9")
    run.main([*words, "--space", str(tiny_path)])
    out = capsys.readouterr().out
    assert "all 108 networks of space 'tiny' are evaluated" in out
    assert "continue the search" not in out
    assert len(rows("studies.db")) == 108


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (["--sampler", "random"], "sampler nsga2 -> random"),
        (["--constraint", "lat<=2ms"], "constraints none -> lat<=2ms"),
        (["--seed", "1"], "seed 0 -> 1"),
    ],
)
def test_other_settings_are_refused_by_name(
    changes: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main([*QUICK, "--generations", "1", "--study", "mine"])
    before = Path("studies.db").read_bytes()
    capsys.readouterr()
    error = fails(capsys, *QUICK, "--generations", "1", "--study", "mine", *changes)
    assert named in error
    assert "--study" in error
    assert Path("studies.db").read_bytes() == before


def test_other_hardware_is_refused_where_it_matters(capsys: pytest.CaptureFixture[str]) -> None:
    size = ["--population", "4", "--generations", "1"]
    command = [*size, "--study", "mine"]
    run.main(["--objectives", "lat", *command])
    capsys.readouterr()
    error = fails(capsys, "--objectives", "lat", *command, "--hardware", "u55-128")
    assert "hardware u55-256-cim8 -> u55-128" in error
    for option, value, named in (
        ("--mapping", "energy", "mapping latency -> energy"),
        ("--npu-model", "vela", "npu_model analytic -> vela"),
        ("--macros", "4", "hardware u55-256-cim8 -> u55-256-cim8-4x1"),
    ):
        assert named in fails(capsys, "--objectives", "lat", *command, option, value)
    counts = ["--objectives", "macs,params", *size, "--study", "counts"]
    run.main(counts)
    run.main([*counts, "--hardware", "u55-128"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--objectives", "acc,latency"], "acc, lat, energy"),
        (["--objectives", "lat,lat"], "'lat' is named twice"),
        (["--objectives", ""], "acc, lat, energy"),
        (["--objectives", "lat,,energy"], "joined by commas"),
        (["--space", "cifar33"], "did you mean 'cifar32'"),
        (["--space", "none.yaml"], "none.yaml"),
        (["--hardware", "u55"], "u55-256-cim8"),
        (["--npu-model", "guess"], "must be one of analytic, vela"),
        (["--mapping", "speed"], "must be one of auto, latency, energy, edp"),
        (["--macros", "-1"], "--macros must be at least 0"),
        (["--units", "0"], "--units must be at least 1"),
        (["--hardware", "u55-128", "--macros", "2"], "has no macros to derive others from"),
        (["--sampler", "nsga3"], "must be one of nsga2"),
        (["--prefer", "lat=1ms"], "--prefer needs --sampler rnsga2"),
        (["--sampler", "rnsga2", "--prefer", "lat=1"], "ns, us, ms, s, but got none"),
        (["--sampler", "rnsga2", "--prefer", "lat=1mJ"], "ns, us, ms, s, but got 'mJ'"),
        (["--sampler", "rnsga2", "--prefer", "acc=85%"], "must be one of lat"),
        (["--sampler", "rnsga2", "--prefer", "lat=1ms,lat=2ms"], "lat is named twice"),
        (["--sampler", "rnsga2", "--prefer", "lat"], "but got 'lat'"),
        (["--sampler", "rnsga2", "--prefer", "lat=1e999ms"], "not a finite number"),
        (["--evaluations", "0"], "--evaluations must be at least 1"),
        (["--patience", "0"], "--patience must be at least 1"),
        (["--minutes", "0"], "--minutes must be more than 0"),
        (["--minutes", "-1"], "--minutes must be more than 0"),
        (["--minutes", "nan"], "--minutes must be more than 0"),
        (["--minutes", "inf"], "--minutes must be more than 0 and at most 10000000"),
        (["--minutes", "10000001"], "but got 10000001.0"),
        (["--minutes", "soon"], "--minutes"),
        (["--seed-subnets", "big"], "must be max, min, mobilenetv2 or genotypes of 58 integers"),
        (["--seed-subnets", "1,2,3"], "58 genes, but got only 3"),
        (["--seed-subnets", "mobilenetv2"], "--seed-subnets mobilenetv2: space 'cifar32'"),
        (["--seed-subnets", ""], "must be max, min"),
        (["--seed-subnets", ",".join(["9"] * 58)], "must be 0 to"),
        (["--warm-start", "none"], "database studies.db does not exist"),
        (["--warm-start", "none.db:first"], "--warm-start must be STUDY or FILE:STUDY"),
        (["--warm-start", ":"], "but got ':'"),
        (["--constraint", "lat<=2mJ"], "ns, us, ms, s"),
        (["--constraint", "speed<=2ms"], "vit_blocks"),
        (["--constraint", "lat=2ms"], "<= or >="),
        (["--population", "1"], "at least 2"),
        (["--population", "many"], "--population"),
        (["--generations", "0"], "at least 1"),
        (["--seed", "-1"], "at least 0"),
        (["--val-images", "0"], "--val-images must be at least 1"),
        (["--workers", "0"], "--workers must be at least 1"),
        (["--workers", "2", "--dask", "tcp://10.0.0.1:8786"], "leave it out with --dask"),
        (["--checkpoint", "none.safetensors"], "none.safetensors does not exist"),
        (["--db", "none/studies.db"], "folder none does not exist"),
        (["--db", "."], "is not a regular file but a folder"),
        (["--study", " "], "not empty"),
        (["--unknown"], "--unknown"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    # Objectives that need no checkpoint, where the argument itself is not about them.
    objectives = [] if {"--objectives", "--checkpoint"} & set(arguments) else ["--objectives", "lat"]
    assert named in fails(capsys, *objectives, *arguments)
    assert list(folder.iterdir()) == []


def test_space_without_a_shipped_checkpoint_names_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert "supernet.train" in fails(capsys, "--space", "imagenet224")


@pytest.mark.parametrize("content", ["", "resolution: [", "name: x\nfoo: 1\n", "- 1\n"])
def test_damaged_space_is_one_line_and_writes_nothing(
    content: str, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    Path("mine.yaml").write_text(content)
    assert "mine.yaml" in fails(capsys, *QUICK, "--space", "mine.yaml")
    assert [path.name for path in folder.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 4080])
def test_damaged_database_is_one_line_and_stays(
    content: bytes, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    Path("studies.db").write_bytes(content)
    assert "studies.db" in fails(capsys, *QUICK)
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("studies.db", content)]


@pytest.mark.slow
def test_damaged_checkpoint_is_one_line_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    Path("net.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0 damaged")
    assert "net.safetensors" in fails(capsys, "--checkpoint", "net.safetensors")
    assert [path.name for path in folder.iterdir()] == ["net.safetensors"]


def test_bad_input_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from studies import run\n"
        "try: run.main(['--objectives', 'acc,lat,energy', '--constraint', 'lat<=2mJ'])\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print('torch' in sys.modules, 'pymoo' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert result.stdout.split() == ["QuantityError", "False", "False"]


@pytest.mark.slow
def test_accuracy_of_a_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from objectives.accuracy_objective import Accuracy
    from search_space.space import load_space
    from supernet.network.supernet import Supernet
    from supernet.network.supernet_file import save_checkpoint

    for seed in (0, 1):
        torch.manual_seed(seed)
        save_checkpoint(Path(f"net{seed}.safetensors"), Supernet(load_space("cifar32")))
    arguments = [
        "--population",
        "3",
        "--generations",
        "1",
        "--val-images",
        "50",
        "--calibration-images",
        "32",
        "--workers",
        "1",
        "--mapping",  # With a gene for the mapping, the next study would draw other networks.
        "latency",
    ]
    run.main([*arguments, "--checkpoint", "net0.safetensors"])
    with open_store(Path("studies.db")) as store:
        rows = store.evaluations("cifar32-acc-lat-energy-s0")
    assert len(rows) == 3
    for row in rows:
        acc, lat, energy = row.values
        assert acc is not None
        assert 0 <= acc <= 100
        assert (lat or 0) > 0
        assert (energy or 0) > 0
    # Another study takes the accuracies over; where the weights are others, it does not.
    measured: list[int] = []
    ask = Accuracy.__call__

    def noted(self: Accuracy, subnets: Sequence[Subnet]) -> Floats:
        measured.append(len(subnets))
        return ask(self, subnets)

    monkeypatch.setattr(Accuracy, "__call__", noted)
    second = ["--study", "second", "--objectives", "acc,macs"]
    assert "cache hits" not in capsys.readouterr().out
    run.main([*arguments, "--checkpoint", "net0.safetensors", *second])
    assert sum(measured) == 0
    assert "\ncache hits: the accuracy of 3 of 3 subnets was in the database\n" in capsys.readouterr().out
    with open_store(Path("studies.db")) as store:
        assert [row.values[0] for row in store.evaluations("second")] == [row.values[0] for row in rows]
    run.main([*arguments, "--checkpoint", "net1.safetensors", *second[2:], "--study", "third"])
    assert sum(measured) == 3

    capsys.readouterr()
    error = fails(capsys, *arguments, "--checkpoint", "net1.safetensors")
    assert re.search(r"checkpoint \w{12} -> \w{12}", error)
    assert "--val-images must be 1 to 5000" in fails(
        capsys, "--checkpoint", "net0.safetensors", "--val-images", "99999", "--study", "other"
    )


SLOW = (
    *("--objectives", "quality,params", "--population", "6", "--constraint", "macs<=18M"),
    *("--sampler", "nsga2"),
)


def wait_for(condition: Callable[[], bool], process: WarmProcess) -> None:
    while process.poll() is None and not condition():
        time.sleep(0.002)


@pytest.mark.slow
def test_racing_says_what_it_spared_and_goes_on_with_racing_alone(folder: Path) -> None:
    arguments = ("--objectives", "acc,params", "--population", "8", "--generations", "2")
    process = start(*arguments, "--racing")
    out, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert re.search(r"racing stopped \d+ of 16 subnets early: \d\d% of the images scored them", out)
    more = next(line for line in out.splitlines() if "continue the search" in line)
    assert more.split().count("--racing") == 1
    assert start(*shlex.split(more[more.index("python") :])[3:]).wait() == 0
    process = start(*arguments)
    _, error = process.communicate()
    assert process.returncode == 2
    assert "racing 2, confidence 0.9 -> absent" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objectives", "macs,params"), "--racing .* must have acc among them, but got macs,params"),
        (("--objectives", "acc,lat", "--constraint", "acc>=80%"), "--constraint 'acc>=80%'"),
    ],
)
def test_what_cannot_race_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert re.search(message, fails(capsys, *arguments, "--racing"))
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_prints_how_to_go_on(folder: Path) -> None:
    arguments = (*SLOW, "--generations", "4", "--study", "a b", "--db", "s.db")
    process = start(*arguments, seconds=0.05)
    wait_for(lambda: count(folder / "s.db") >= 8, process)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    assert process.returncode == 130
    assert error.splitlines()[-1] == "stopped by SIGINT"
    kept = count(folder / "s.db")
    assert 8 <= kept < 24
    assert f"{kept} evaluations are stored" in out
    line = out.splitlines()[-1].strip()
    command = shlex.split(line)[3:]
    assert line == local_command("studies.run", command)
    resumed = start(*command)
    out, error = resumed.communicate()
    assert (resumed.returncode, error) == (0, "")
    assert re.search(f"resuming after {kept} evaluations", out)
    whole = start(*arguments[:-1], "whole.db")
    assert whole.wait() == 0
    assert rows("s.db") == rows("whole.db")
