from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import load_soc
from objectives.hardware.cost_model import CostModel
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.weight_stream import encoded_bytes
from objectives.workload import ops_of, read_again, workload
from search_space import load_space
from search_space.command.command_line import run_command
from studies import StudySettings, deploy, pick, run_study, validate
from studies.deployment import compiled_network, deploy_network
from studies.deployment.file_checks import DeploymentError
from studies.deployment.mapping_file import FORMAT

FILES = [
    "chip.yaml",
    "labels.txt",
    "mapping.json",
    "model_card.md",
    "network.onnx",
    "network.tflite",
    "network_vela.tflite",
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the smallest and the largest network of cifar32, and one without accuracy."""
    path = tmp_path_factory.mktemp("deploy") / "studies.db"
    costs = StudySettings(
        objectives=("macs", "lat"), study="costs", population=2, generations=1, sampler="random", workers=1
    )
    small = replace(costs, objectives=("acc", "lat"), study="small", val_images=32, calibration_images=64)
    for settings in (small, costs):
        run_study(settings, database=path)
    return path


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: deploy.main(arguments))
    printed = capsys.readouterr()
    assert (left.value.code, printed.err.count("\n")) == (2, 1)
    return printed.err


@pytest.mark.slow
def test_every_file_is_written_and_checked(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "network"
    deploy.main([f"{database}:small", "--id", "0", "--out", str(out)])
    printed = capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir()) == FILES
    assert "network.tflite in LiteRT: same class as the int8 oracle on" in printed
    assert "network.onnx in onnxruntime: same class as the float network on 100.0 % of 32" in printed
    (compiled,) = (line for line in printed.splitlines() if line.startswith("network_vela.tflite by Vela"))
    error = float(compiled.split("(")[1].split("%")[0])
    assert abs(error) <= 5
    encoded = float(compiled.split("weights encoded to ")[1].split()[0])
    assert 0.2 <= encoded <= 1.6  # Zeros that pad a few channels to a brick count among the encoded bytes.
    # The chip file gives the size that the compiler reports, and the costs that were printed.
    chip = load_soc(str(out / "chip.yaml"))
    steps = workload(load_space("cifar32").decode(load_space("cifar32").smallest()))
    ops = ops_of(steps)
    weights = chip.npu.weight_format._replace(scale_bytes=0)
    works = [work for op in ops for work in passes_of(op)]
    size = sum(encoded_bytes(work, chip.npu.machine, weights) for work in works)
    assert chip.npu.weight_compression is not None
    assert f"to {size:.0f} bytes" in chip.npu.weight_compression.source
    cost = CostModel(chip).network(ops, read_again(steps))
    assert f"latency {cost.latency_ms:.4g} ms (assumed " in printed
    assert f"energy {cost.energy_mj:.4g} mJ (" in printed
    mapping = json.loads((out / "mapping.json").read_text())
    assert (mapping["format"], mapping["hardware"]) == (FORMAT, "u55-256-cim8")
    cycles = sum(op["cycles"] for op in mapping["ops"])
    assert cycles == pytest.approx(mapping["latency_ms"] * 1e3 * load_soc("u55-256-cim8").clock_mhz)
    assert (out / "labels.txt").read_text().splitlines()[3] == "cat"
    card = (out / "model_card.md").read_text()
    assert "one image of 24 x 24 pixels" in card
    assert printed.splitlines()[-4] in card
    # Files run without the study: the scores of the card's input formula are those of the file.
    assert "int8, as (1, height, width, 3)" in card
    assert "exists: name another folder" in fails(capsys, f"{database}:small", "--id", "0", "--out", str(out))


def test_what_cannot_be_deployed_is_said_in_one_line(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    assert "no network 7 with a measured accuracy" in fails(
        capsys, f"{database}:small", "--id", "7", "--out", out
    )
    assert "measured no accuracy" in fails(capsys, f"{database}:costs", "--id", "0", "--out", out)
    assert "unknown study 'none'" in fails(capsys, "none", "--db", str(database), "--id", "0", "--out", out)
    assert "--id must be at least 0" in fails(capsys, f"{database}:small", "--id", "-1", "--out", out)
    assert not list(tmp_path.iterdir())


def test_without_the_runtimes_the_files_are_written_and_the_lack_is_said(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("ai_edge_litert.interpreter", "onnx", "onnxruntime"):
        monkeypatch.setitem(sys.modules, package, None)
    deploy.main([f"{database}:small", "--id", "0", "--out", str(tmp_path / "out"), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert "network.onnx" not in record["files"]
    assert "network.tflite was not run: checking a .tflite file needs the package ai-edge-litert" in str(
        record["checks"]
    )
    assert "network.onnx was not written" in str(record["checks"])


def test_pick_prints_the_command(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pick.main([f"{database}:small", "--prefer", "lat"])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "studies.deploy" in line)
    words = shlex.split(line[line.index("studies.deploy") :])[1:]
    options = deploy.parser().parse_args(words)
    assert (options.study, options.db, options.id) == ("small", database, 0)
    pick.main([f"{database}:costs"])
    assert "studies.deploy" not in capsys.readouterr().out


def test_a_front_is_compiled_beside_the_cost_model(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--db", str(database), "--study", "small", "--compile"]
    validate.main([*arguments, "--all", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert [network["id"] for network in record["networks"]] == [0, 1]
    assert record["mean_error"] <= 0.05
    assert record["rank_correlation"] == pytest.approx(1.0)
    for network in record["networks"]:
        assert network["model_sram_bytes"] == pytest.approx(network["vela_sram_bytes"], rel=0.05)
    # A model that is off fails after its table.
    monkeypatch.setattr(compiled_network, "MOST_ERROR", record["mean_error"] / 2)
    with pytest.raises(DeploymentError, match="the cost model is off by"):
        validate.main(arguments)
    assert "cycles of the NPU alone, cost model against Vela: mean error" in capsys.readouterr().out


def test_a_file_that_differs_is_not_written(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy_network, "litert_scores", lambda _content, images: -np.ones((len(images), 10)))
    error = fails(capsys, f"{database}:small", "--id", "0", "--out", str(tmp_path / "out"))
    assert "network.tflite differs from the network in 8-bit integers" in error
    assert not list(tmp_path.iterdir())
