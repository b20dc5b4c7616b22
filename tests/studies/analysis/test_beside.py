"""Networks of files beside the front of a study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from objectives.hardware import CostModel, load_soc
from objectives.hardware_objectives import mapped_totals
from objectives.tflite_network.network import read_network
from objectives.workload import peak_bytes, read_again
from search_space.command.command_line import run_command
from search_space.errors import H4HError
from studies import compare, report, show
from studies.analysis.assumed_numbers import HardwareError
from studies.analysis.beside import BesideError, beside_rows, read_beside
from studies.report_page.beside_marks import add_beside
from studies.report_page.figures import front_figure
from studies.report_page.html import page
from studies.report_page.report_data import report_record
from studies.storage.store import open_store
from studies.study.study import Study
from tests.objectives.tflite_network.files import LAYERS, write
from tests.studies.reports import HARDWARE

pytestmark = pytest.mark.usefixtures("few_ends")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "today.tflite", LAYERS["residual"])


def study_of(database: Path, name: str) -> Study:
    with open_store(database) as store:
        return store.study(name)


def refused(capsys: pytest.CaptureFixture[str], main: object, *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: main(arguments))  # type: ignore[operator]
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("ending", "accuracy"), [("", None), ("=91.5", 91.5), ("=91.5%", 91.5), ("=0", 0.0), ("=100", 100.0)]
)
def test_accuracy_follows_the_file(ending: str, accuracy: float | None, file: Path) -> None:
    (one,) = read_beside([f"{file}{ending}"])
    assert (one.path, one.accuracy) == (file, accuracy)


@pytest.mark.parametrize("ending", ["=", "=good", "=-1", "=100.1", "=nan"])
def test_accuracy_is_a_percentage(ending: str, file: Path) -> None:
    with pytest.raises(BesideError, match="must be a percentage from 0 to 100"):
        read_beside([f"{file}{ending}"])


def test_a_name_with_an_equals_sign(tmp_path: Path) -> None:
    path = write(tmp_path / "width=8.tflite", LAYERS["residual"])
    assert [one.accuracy for one in read_beside([str(path), f"{path}=50"])] == [None, 50]


def test_values_are_those_of_the_cost_model(report_database: Path, file: Path) -> None:
    study = study_of(report_database, "a")
    assert study.objectives == ("acc", "lat", "energy")
    network = read_network(file)
    cost = CostModel(load_soc(HARDWARE)).network(network.ops, read_again(network.steps))
    (row,) = beside_rows(study, [], read_beside([f"{file}=80"]))
    assert row.values == (80.0, cost.latency_ms, cost.energy_mj)
    assert (row.name, row.mapping, row.better, row.note) == ("today.tflite", "latency", 0, "")
    wider = replace(study, goals=(*study.goals, replace(study.goals[1], name="sram", unit="bytes")))
    (row,) = beside_rows(wider, [], read_beside([str(file)]))
    assert row.values == (None, cost.latency_ms, cost.energy_mj, float(peak_bytes(network.steps)))


def test_values_of_a_study_that_spills(report_database: Path, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        f"base: {HARDWARE}\nname: small\ndescription: little SRAM\nmemory:\n"
        "  sram_capacity: {value: 0.01, unit: MiB, low: 0.01, high: 1, source: test}\n"
    )
    study = study_of(report_database, "a")
    model = CostModel(load_soc(str(path)), spill=True)
    spilling = replace(
        study,
        goals=(study.goals[1], study.goals[2], replace(study.goals[1], name="power", unit="mW")),
        settings={**study.settings, "hardware": str(path), "spill": True, "objectives": "lat,energy,power"},
        fingerprint={**study.fingerprint, **model.fingerprint()},
    )
    network = read_network(file)
    cost = model.network(network.ops, read_again(network.steps))
    latency, energy = mapped_totals(model, network.steps, cost)
    (row,) = beside_rows(spilling, [], read_beside([str(file)]))
    assert latency > cost.latency_ms
    assert row.values == (latency, energy, 1e3 * energy / latency)


def test_members_of_the_front_that_are_better_are_counted(report_database: Path, file: Path) -> None:
    with open_store(report_database) as store:
        study, evaluations = store.study("a"), store.evaluations("a")
    front = study.front(evaluations)
    (row,) = beside_rows(study, front, read_beside([f"{file}=0"]))
    _, latency, energy = row.values
    assert latency is not None
    assert energy is not None
    # An accuracy of 0 is beaten by all that cost no more.
    expected = [each for each in front if each.values[1] <= latency and each.values[2] <= energy]  # type: ignore[operator]
    assert row.better == len(expected)
    (perfect,) = beside_rows(study, front, read_beside([f"{file}=100"]))
    assert perfect.better == 0


def test_what_is_left_out_is_named(report_database: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.transpose(x, 0, 2, 1, 3))
    (row,) = beside_rows(study_of(report_database, "a"), [], read_beside([str(path)]))
    assert row.note.startswith("without operator 1 TRANSPOSE (the cost model has no such op); ")
    assert row.note.endswith("of Vela's cycles are costed")


def test_a_study_without_chip_is_refused(study: Study, file: Path) -> None:
    with pytest.raises(HardwareError, match="measured neither latency nor energy"):
        beside_rows(study, [], read_beside([str(file)]))


def test_show(report_database: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--db", str(report_database), "--study", "a", "--beside", f"{file}=80"]
    show.main(common)
    text = capsys.readouterr().out
    assert "beside the front" in text
    assert "today.tflite" in text
    assert "lat and energy are those of busy NPU, macros, network and memories" in text
    show.main([*common, "--beside", str(file), "--json"])
    first, second = json.loads(capsys.readouterr().out)["beside"]
    assert (first["values"]["acc"], second["values"]["acc"]) == (80.0, None)
    assert first["values"]["lat"] == second["values"]["lat"] > 0


def test_compare(report_database: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["a", "one", "--db", str(report_database), "--beside", str(file)]
    compare.main(common)
    assert capsys.readouterr().out.count("today.tflite, mapped for latency") == 2
    compare.main([*common, "--json"])
    studies = json.loads(capsys.readouterr().out)["studies"]
    assert [len(study["beside"]) for study in studies.values()] == [1, 1]


def test_report(report_database: Path, file: Path) -> None:
    reported = report.read(["one"], report_database)
    record = report_record(reported)
    assert "today.tflite (latency)" not in _texts(front_figure(record))
    add_beside(record, reported, read_beside([f"{file}=80", str(file)]))
    assert [entry["values"][0] for entry in record["studies"][0]["beside"]] == [80.0, None]
    assert sum("today.tflite, mapped for latency" in note for note in record["notes"]) == 2
    # Two plots of the front, each with a star and a line.
    assert _texts(front_figure(record)).count("today.tflite (latency)") == 4
    assert '"name":"today.tflite"' in page(record).replace(": ", ":")


def test_labels_of_the_mappings_of_a_network_stand_apart(report_database: Path, file: Path) -> None:
    """On one chip they cost nearly the same; equal costs are the worst case."""
    reported = report.read(["one"], report_database)
    record = report_record(reported)
    add_beside(record, reported, read_beside([f"{file}=80", f"{file}=80", str(file), str(file)]))
    for axis in front_figure(record).axes:
        labels = [text for text in axis.texts if "today.tflite" in text.get_text()]
        places = {(text.get_position(), text.get_verticalalignment()) for text in labels}
        assert len(places) == len(labels) == 4


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize(
    ("main", "arguments", "message"),
    [
        (show.main, ["--beside", "x.tflite"], "--beside needs the name of a study"),
        (show.main, ["--study", "a", "--beside", "x.tflite"], "x.tflite: does not exist"),
        (compare.main, ["a", "one", "--csv", "--beside", "{file}"], "without --csv"),
        (report.main, ["a", "--out", "r.html", "--beside", "x.tflite"], "x.tflite: does not exist"),
    ],
)
def test_bad_input_is_one_line(
    main: object,
    arguments: list[str],
    message: str,
    report_database: Path,
    file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [argument.format(file=file) for argument in arguments]
    assert message in refused(capsys, main, *filled, "--db", str(report_database))


def test_errors_are_of_this_project() -> None:
    assert issubclass(BesideError, H4HError)
