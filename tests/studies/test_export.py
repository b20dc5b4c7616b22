from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas
import pytest
from optuna_dashboard._serializer import serialize_study_detail

from search_space.command.command_line import run_command
from search_space.genotype import parse
from search_space.space import Space
from studies import export, show
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]
OLDEST = "H4H_OLDEST_OPTUNA"
"""Variable of the environment: a Python with the oldest Optuna that reads an exported study."""


@pytest.fixture
def database(tmp_path: Path, tiny: Space, study: Study, evaluation: Make) -> Path:
    """A study of five subnets, the third stopped by racing, the last two ruled out."""
    rng = np.random.default_rng(1)
    genotypes = list({tiny.sample(rng): None for _ in range(40)})[:5]
    values = [(50.0, 1.0), (80.0, 2.0), (40.0, 3.0), (99.0, 9.0), (None, 8.5)]
    rows = [
        replace(evaluation(index, *pair), genotype=genes)
        for index, (pair, genes) in enumerate(zip(values, genotypes, strict=True))
    ]
    rows[2] = replace(rows[2], stopped_after=256)
    path = tmp_path / "studies.db"
    with create_store(path) as store:
        store.add(replace(study, space_definition=tiny.to_dict()))
        store.append("first", rows)
        store.add(replace(study, name="empty"))
    return path


def exported(database: Path, kind: str, name: str) -> Path:
    out = database.parent / name
    export.main(["first", "--db", str(database), "--format", kind, "--out", str(out)])
    return out


def call(*arguments: str) -> None:
    run_command(lambda: export.main(arguments))


def test_csv_loads_in_one_line(database: Path, tiny: Space) -> None:
    found = pandas.read_csv(exported(database, "csv", "study.csv"))
    assert found["id"].tolist() == [0, 1, 2, 3, 4]
    assert found["acc"].tolist()[:4] == [50, 80, 40, 99]
    assert np.isnan(found["acc"][4])
    assert found["stopped_after"].dropna().to_dict() == {2: 256}
    assert found["feasible"].tolist() == [True, True, True, False, False]
    assert found["on_front"].tolist() == [True, True, False, False, False]
    for row, text in enumerate(found["genotype"]):
        subnet = tiny.decode(parse(text))
        assert found["resolution"][row] == subnet.resolution
        assert found["stage1.width"][row] == subnet.stages[0].width
        # A gene that the network does not use has no value.
        assert np.isnan(found["stage1.conv1.kernel"][row]) == (not subnet.stages[0].conv_blocks)


def test_json_holds_everything(database: Path, study: Study) -> None:
    found: dict[str, Any] = json.loads(exported(database, "json", "study.json").read_text())
    assert found["fingerprint"] == study.fingerprint
    assert found["goals"][1] == {"name": "lat", "unit": "ms", "direction": "min"}
    assert [row["lat"] for row in found["evaluations"]] == [1, 2, 3, 9, 8.5]
    assert found["evaluations"][4]["acc"] is None


def test_optuna_reads_the_same(database: Path, tiny: Space) -> None:
    path = exported(database, "optuna", "optuna.db")
    found = optuna.load_study(study_name="first", storage=f"sqlite:///{path}")
    assert [direction.name for direction in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert [trial.state.name for trial in found.trials] == [
        *("COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "PRUNED")
    ]
    assert [trial.values for trial in found.trials[:3]] == [[50, 1], [80, 2], None]
    assert sorted(trial.user_attrs["id"] for trial in found.best_trials) == [0, 1]  # 3 breaks the constraint
    for trial in found.trials:
        subnet = tiny.decode(parse(trial.user_attrs["genotype"]))
        assert trial.params["resolution"] == subnet.resolution
        assert ("stage1.conv1.kernel" in trial.params) == bool(subnet.stages[0].conv_blocks)
    assert found.metric_names == ["acc [%]", "lat [ms]"]


def shown_front(database: Path, capsys: pytest.CaptureFixture[str]) -> list[int]:
    """Ids of the front, as `studies.show` has them."""
    capsys.readouterr()
    show.main(["first", "--db", str(database), "--json"])
    return sorted(member["id"] for member in json.loads(capsys.readouterr().out)["front"])


def test_best_trials_are_the_front_in_optuna_and_in_the_dashboards_serializer(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(database, "optuna", "optuna.db")
    front = shown_front(database, capsys)
    found = optuna.load_study(study_name="first", storage=f"sqlite:///{path}")
    assert sorted(trial.user_attrs["id"] for trial in found.best_trials) == front == [0, 1]
    (stored,) = optuna.storages.get_storage(f"sqlite:///{path}").get_all_studies()
    detail = serialize_study_detail(stored, found.best_trials, found.trials, [], [], [], False, {}, [])
    assert sorted(trial["number"] for trial in detail["best_trials"]) == front
    amounts = [trial["constraints"] for trial in detail["trials"]]
    assert amounts == [[-0.875], [-0.75], [-0.625], [0.125], [0.0625]]
    # The dashboard's server draws its Pareto front so: infeasible, other and best trials.
    traces = json.loads(optuna.visualization.plot_pareto_front(found).to_json())["data"]
    drawn = [[json.loads(text.replace("<br>", ""))["number"] for text in trace["text"]] for trace in traces]
    assert [sorted(numbers) for numbers in (drawn[0], drawn[-1])] == [[3], front]


@pytest.mark.skipif(OLDEST not in os.environ, reason=f"{OLDEST} does not name a Python with Optuna 4.0")
def test_the_oldest_optuna_finds_the_same_front(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported(database, "optuna", "optuna.db")
    code = (
        "import optuna, sys\n"
        "study = optuna.load_study(study_name='first', storage=sys.argv[1])\n"
        "print(optuna.__version__, study.metric_names, [t.user_attrs['id'] for t in study.best_trials])"
    )
    command = [os.environ[OLDEST], "-W", "ignore", "-c", code, f"sqlite:///{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=database.parent)
    assert done.stdout.strip() == f"4.0.0 ['acc [%]', 'lat [ms]'] {shown_front(database, capsys)}"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_dashboard_shows_the_study(database: Path) -> None:
    path = exported(database, "optuna", "optuna.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).with_name("optuna-dashboard")),
        f"sqlite:///{path}",
        "--port",
        str(port),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            summaries = _read(f"http://127.0.0.1:{port}/api/studies", server)
            (summary,) = summaries["study_summaries"]
            assert summary["study_name"] == "first"
            details = _read(f"http://127.0.0.1:{port}/api/studies/{summary['study_id']}", server)
            states = [trial["state"] for trial in details["trials"]]
            assert states == ["Complete", "Complete", "Pruned", "Complete", "Pruned"]
            amounts = [trial["constraints"] for trial in details["trials"]]
            assert amounts == [[-0.875], [-0.75], [-0.625], [0.125], [0.0625]]
            # The how-to warns of it: the dashboard ranks without constraints, of which 3 breaks one.
            assert [trial["number"] for trial in details["best_trials"]] == [0, 1, 3]
        finally:
            server.terminate()


def _read(address: str, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    while True:
        try:
            with urllib.request.urlopen(address) as answer:
                result: dict[str, Any] = json.load(answer)
                return result
        except OSError:
            assert server.poll() is None, "the dashboard ended"
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty", "--format", "csv", "--out", "x.csv"], "'empty' has no evaluations yet"),
        (["nobody", "--format", "csv", "--out", "x.csv"], "unknown study 'nobody'"),
        (["first", "--format", "csv", "--out", "studies.db"], "--out studies.db exists"),
        (["first", "--format", "json", "--out", "nowhere/x.json"], "the folder nowhere does not exist"),
        (["first", "--format", "xml", "--out", "x.xml"], "invalid choice: 'xml'"),
        (["first", "--format", "csv"], "--out"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    database: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(database.parent)
    before = {entry.name: entry.read_bytes() for entry in database.parent.iterdir()}
    with pytest.raises(SystemExit) as exit_:
        call(*arguments, "--db", str(database))
    captured = capsys.readouterr()
    assert (exit_.value.code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert {entry.name: entry.read_bytes() for entry in database.parent.iterdir()} == before


@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_folder_that_cannot_be_written(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # Root may write anywhere, so the disk has to refuse.
    monkeypatch.setattr(Path, "replace", _refuse)
    with pytest.raises(SystemExit) as exit_:
        call("first", "--db", str(database), "--format", kind, "--out", str(database.parent / "out"))
    assert exit_.value.code == 2
    assert "cannot be written (No space left on device)" in capsys.readouterr().err
    assert not (database.parent / "out").exists()
    assert not [entry for entry in database.parent.iterdir() if entry.name.startswith(".out")]


def _refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")
