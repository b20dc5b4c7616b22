from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from search_space.command.command_line import run_command
from studies import deploy, export, measure, pick, show, validate
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Goal, Study

ROOT = Path(__file__).parents[2]
FRONT_KEYS = ["id", "genotype", "acc", "lat", "macs", "params", "conv_blocks", "vit_blocks", "family"]


@pytest.fixture
def database(tmp_path: Path, study: Study, evaluation: Callable[..., Evaluation]) -> Path:
    """One study with a front of two, a dominated and an infeasible subnet; and an empty study."""
    path = tmp_path / "studies.db"
    with create_store(path) as store:
        store.add(study)
        store.append(
            study.name,
            [
                evaluation(0, 50.0, 1.0),
                evaluation(1, 90.0, 7.0),
                evaluation(2, 40.0, 8.0),
                evaluation(3, None, 9.0),
            ],
        )
        store.add(replace(study, name="second", goals=(Goal("macs", "MACs", "min"), Goal("acc", "%", "max"))))
    return path


def shown(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> str:
    show.main(["--db", str(path), *arguments])
    return capsys.readouterr().out


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: show.main(arguments))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("command", [show, pick, export, validate, measure, deploy])
def test_a_study_is_named_in_either_form(command: ModuleType) -> None:
    more = {export: ["--format", "csv", "--out", "-"], measure: ["--out", "x"]}
    more[deploy] = ["--out", "x", "--id", "0"]
    for words in (["mine"], ["--study", "mine"], ["--study=mine"]):
        assert command.parser().parse_args([*words, *more.get(command, [])]).study == "mine"
    for words in (["mine", "--study", "mine"], ["mine", "yours"], *([] if command is show else [[]])):
        with pytest.raises(SystemExit):
            command.parser().parse_args([*words, *more.get(command, [])])


def test_a_study_of_another_database_is_shown(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show.main([f"{database}:first"])
    assert capsys.readouterr().out == shown(capsys, database, "--study", "first")


def test_json_tells_bounds(
    tmp_path: Path, study: Study, evaluation: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "raced.db"
    with create_store(path) as store:
        store.add(study)
        rows = [evaluation(0, 90.0, 1.0), replace(evaluation(1, 73.1, 2.0), stopped_after=512)]
        store.append(study.name, rows)
    record = json.loads(shown(capsys, path, "--study", "first", "--evaluations", "--json"))
    assert [(one["acc"], one["stopped_after"]) for one in record["evaluations"]] == [
        (90.0, None),
        (73.1, 512),
    ]
    assert len(record["front"]) == 1
    assert "<= 73.10 (512 images)" in shown(capsys, path, "--study", "first", "--evaluations")


def test_json_of_a_study(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = json.loads(shown(capsys, database, "--study", "first", "--json"))
    assert list(record) == ["study", "objectives", "evaluations", "hypervolume", "front"]
    assert record["study"] == "first"
    assert record["objectives"] == ["acc", "lat"]
    assert record["evaluations"] == 4
    assert 0 < record["hypervolume"] < 1
    assert [list(member) for member in record["front"]] == [[*FRONT_KEYS, "contribution"]] * 2
    # Boxes 0.9 x 0.3 and 0.5 x 0.9 overlap in 0.5 x 0.3.
    assert [member.pop("contribution") for member in record["front"]] == pytest.approx([0.12, 0.3])
    assert record["front"][0] == {
        "id": 1,
        "genotype": [1, 0],
        "acc": 90.0,
        "lat": 7.0,
        "macs": 101,
        "params": 10,
        "conv_blocks": 3,
        "vit_blocks": 1,
        "family": "cnn-then-vit",
    }


def test_json_of_all_evaluations(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(shown(capsys, database, "--study", "first", "--evaluations", "--json"))
    assert [row["id"] for row in record["evaluations"]] == [0, 1, 2, 3]
    assert [row["feasible"] for row in record["evaluations"]] == [True, True, True, False]
    assert record["evaluations"][3]["acc"] is None
    assert len(record["front"]) == 2


def test_json_of_the_list(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads(shown(capsys, database, "--json"))
    assert [(study["study"], study["evaluations"], study["front_size"]) for study in record["studies"]] == [
        ("first", 4, 2),
        ("second", 0, 0),
    ]


def test_tables(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = shown(capsys, database)
    assert "first" in listed
    assert "second" in listed
    front = shown(capsys, database, "--study", "first")
    assert "3 of 4 subnets satisfy lat<=8ms" in front
    assert "note:" not in front
    assert "90.00" in front
    assert "hv gain" in front
    assert "0.12" in front
    assert "40.00" not in front
    assert "40.00" in shown(capsys, database, "--study", "first", "--evaluations")
    assert "0 evaluations" in shown(capsys, database, "--study", "second")


def test_values_outside_the_bounds_of_the_hypervolume_get_a_note(
    tmp_path: Path, study: Study, evaluation: Callable[..., Evaluation], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "outside.db"
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, [evaluation(0, 50.0, -1.0), evaluation(1, None, 9.0)])
    text = shown(capsys, path, "--study", study.name)
    assert "note: lat of 1 of 1 front members lies outside 0 to 10 ms" in text
    assert "1 of 2 subnets satisfies lat<=8ms" in text


def test_bad_input_is_one_line(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'first'" in fails(capsys, "--db", str(database), "--study", "frist")
    assert "--evaluations needs the name of a study" in fails(capsys, "--db", str(database), "--evaluations")
    assert "does not exist" in fails(capsys, "--db", str(tmp_path / "none.db"))
    assert [path.name for path in tmp_path.iterdir()] == ["studies.db"]


def test_show_is_quick(database: Path) -> None:
    code = (
        "import sys\n"
        "from studies import show\n"
        f"show.main(['--db', {str(database)!r}])\n"
        "print('torch' in sys.modules, 'pymoo' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert result.stdout.split()[-2:] == ["False", "False"]


def test_how_well_generations_were_predicted(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(database, writable=True) as store:
        store.append_report("first", 1, GenerationReport("random", None))
        store.append_report("first", 2, GenerationReport("surrogate", 0.75))
    record = json.loads(shown(capsys, database, "--study", "first", "--json"))
    assert record["generations"] == [
        {"generation": 1, "source": "random", "rank_correlation": None},
        {"generation": 2, "source": "surrogate", "rank_correlation": 0.75},
    ]
    assert "rank correlation by generation 0.75" in shown(capsys, database, "--study", "first")


def test_a_table_for_a_paper(report_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    latex = shown(capsys, report_database, "--study", "objectives3", "--format", "latex")
    table, paragraph = latex.split("\n\n")
    front = json.loads(shown(capsys, report_database, "--study", "objectives3", "--json"))["front"]
    rows = table.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines()
    assert [int(row.split(" & ")[0]) for row in rows] == [member["id"] for member in front]
    assert "We searched the space cifar32" in paragraph
    markdown = shown(
        capsys, report_database, "--study", "objectives3", "--evaluations", "--format", "markdown"
    )
    assert len([line for line in markdown.splitlines() if line.startswith("| ")]) == 2 + 12
    assert "--format needs the name of a study" in fails(
        capsys, "--db", str(report_database), "--format", "latex"
    )
    both = ("--db", str(report_database), "--study", "one", "--format", "latex", "--json")
    assert "not allowed with argument" in fails(capsys, *both)
