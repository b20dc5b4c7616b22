"""The command on a TensorFlow Lite file, as a user types it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.profile import main
from objectives.tflite_network.network import read_network
from objectives.workload import read_again
from search_space.command.command_line import run_command
from search_space.errors import H4HWarning
from tests.objectives.tflite_network.files import LAYERS, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "today.tflite", LAYERS["residual"])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: main(arguments))
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_table_shows_every_op_and_how_it_agrees(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tflite", str(file), "--hardware", "u55-256-cim8"])
    text = capsys.readouterr().out
    assert all(step.name in text for step in read_network(file).steps)
    assert "lat and energy are those of busy NPU, macros, network and memories" in text
    assert "over 100.0% of Vela's cycles" in text
    assert "not costed" not in text


def test_json_is_that_of_the_cost_model(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--tflite", str(file), "--hardware", "u55-256-cim8", "--json"])
    record = json.loads(capsys.readouterr().out)
    network = read_network(file)
    cost = CostModel(load_soc("u55-256-cim8")).network(network.ops, read_again(network.steps))
    assert record["latency_ms"] == cost.latency_ms
    assert record["missing"] == []
    assert record["covered"] == 1
    assert abs(record["error_percent"]) < 1
    # Convolutions are mapped onto the macros.
    assert {op["schema"] for op in record["ops"] if op["kind"] == "conv2d"} & {"cim", "split"}
    assert [op["schema"] for op in record["ops"] if op["kind"] == "add"] == ["npu"]


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "x.tflite", lambda graph, x: graph.transpose(x, 0, 2, 1, 3))
    main(["--tflite", str(path), "--hardware", "u55-128"])
    assert "not costed: operator 1 TRANSPOSE (the cost model has no such op), " in capsys.readouterr().out


def test_a_chip_that_the_compiler_does_not_know(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chip = tmp_path / "wide.yaml"
    chip.write_text(
        "base: u55-256\nname: wide\nnpu:\n  sram_bandwidth: "
        "{value: 16, unit: B/cycle, low: 16, high: 16, source: test}\n"
    )
    with pytest.warns(H4HWarning, match="the port of an Ethos-U55 takes 8"):
        main(["--tflite", str(file), "--hardware", str(chip)])
    assert (
        "Vela's cycles are unknown: --npu-model vela supports npu.sram_bandwidth" in capsys.readouterr().out
    )


def test_vela_op_by_op(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = []
    for model in ("analytic", "vela"):
        main(["--tflite", str(file), "--hardware", "u55-128", "--npu-model", model, "--json"])
        records.append(json.loads(capsys.readouterr().out))
    assert records[0]["latency_ms"] == pytest.approx(records[1]["latency_ms"], rel=0.02)


def test_bad_input_is_one_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in refused(capsys, "--tflite", str(tmp_path / "missing.tflite"))
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refused(capsys, "--tflite", str(tmp_path / "pipe"))
    (tmp_path / "text.tflite").write_text("no model at all")
    assert "is no TensorFlow Lite model" in refused(capsys, "--tflite", str(tmp_path / "text.tflite"))
    assert "takes the place of --space" in refused(capsys, "--tflite", str(file), "--subnet", "min")
    chip = tmp_path / "macros.yaml"
    chip.write_text(
        "base: u55-256-cim8\nname: macros\nnpu: null\nnoc: {npu: null}\n"
        "clock: {value: 500, unit: MHz, low: 500, high: 500, source: test}\n"
    )
    error = refused(capsys, "--tflite", str(file), "--hardware", str(chip))
    assert "--tflite needs a chip with an NPU, but hardware 'macros' has none" in error
