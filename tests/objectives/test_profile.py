from __future__ import annotations

import json
from pathlib import Path

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.profile import main, profile_record
from objectives.workload import ops_of, workload
from search_space.command.command_line import run_command
from search_space.complexity import macs
from search_space.space import load_space

SPACE = load_space("cifar32")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: main(arguments))
    return int(left.value.code or 0)


def test_table_shows_every_op_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--space", "cifar32", "--subnet", "max", "--hardware", "u55-256-cim8"])
    text = capsys.readouterr().out
    steps = workload(SPACE.decode(SPACE.largest()))
    assert all(step.name in text for step in steps)
    assert all(step.op.shape in text for step in steps)
    for part in ("heads", "split", "macros", "compute", "writing them once", "latency", "energy", "1024 KiB"):
        assert part in text
    assert "…" not in text


def test_json_sums_up(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--subnet", "min", "--json"])
    record = json.loads(capsys.readouterr().out)
    subnet = SPACE.decode(SPACE.smallest())
    assert record["space"] == "cifar32"
    assert record["hardware"] == "u55-256-cim8"
    assert tuple(record["genotype"]) == SPACE.smallest()
    assert record["macs"] == macs(subnet) == sum(op["macs"] for op in record["ops"])
    assert record["latency_ms"] == pytest.approx(sum(op["cycles"] for op in record["ops"]) / 500e3)
    assert record["energy_mj"] == pytest.approx(sum(op["energy_pj"] for op in record["ops"]) / 1e9)
    for op in record["ops"]:
        macros = op["cim_cycles"] + op["transfer_cycles"] - op["overlap_cycles"]
        busy = max(op["fetch_cycles"] + op["npu_cycles"], macros, op["sram_cycles"])
        assert op["cycles"] == pytest.approx(busy + op["tail_cycles"] + op["handover_cycles"])
        assert (op["split"] == "") == (op["schema"] != "split")


def test_memory_alive_during_each_op_and_the_op_that_needs_most(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--subnet", "max", "--hardware", "u55-256", "--json"])
    record = json.loads(capsys.readouterr().out)
    alive = {op["name"]: op["live_bytes"] for op in record["ops"]}
    assert max(alive.values()) == record["sram_bytes"]
    main(["--subnet", "max", "--hardware", "u55-256"])
    marked = [line for line in capsys.readouterr().out.splitlines() if "*" in line]
    assert len(marked) == sum(value == record["sram_bytes"] for value in alive.values()) > 0
    assert all("softmax" in line and f"{record['sram_bytes'] / 1024:.1f}*" in line for line in marked)


def test_frames_per_second_and_power(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--subnet", "min", "--fps", "30", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["sequential_fps"] == pytest.approx(1000 / record["latency_ms"])
    assert record["pipelined_fps"] == pytest.approx(1000 / max(record["busy_ms"].values()))
    asleep = 1 - record["latency_ms"] * 30 / 1000
    assert record["power_mw"] == pytest.approx(record["energy_mj"] * 30 + record["sleep_mw"] * asleep)
    main(["--subnet", "min", "--fps", "30"])
    text = capsys.readouterr().out
    assert f"{record['sequential_fps']:,.1f} one after the other; pipelined " in text
    assert f"at 30 frames/s: {record['power_mw']:.3f} mW on average" in text
    main(["--subnet", "min", "--fps", "1e9"])
    assert "an inference takes longer than a frame" in capsys.readouterr().out


def test_genotype_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--subnet", ",".join(map(str, SPACE.largest())), "--json"])
    by_genes = capsys.readouterr().out
    main(["--subnet", "max", "--json"])
    assert capsys.readouterr().out == by_genes


def test_without_macros() -> None:
    soc = load_soc("u55-128")
    steps = workload(SPACE.decode(SPACE.largest()))
    record = profile_record(steps, CostModel(soc).network(ops_of(steps)), soc)
    assert {op["schema"] for op in record["ops"]} == {"npu"}
    assert record["cim_capacity_bytes"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--space", "cifar33"], "unknown space 'cifar33'"),
        (["--hardware", "u56"], "unknown hardware 'u56'"),
        (["--hardware", "none.yaml"], "none.yaml: does not exist"),
        (["--subnet", "largest"], "largest"),
        (["--subnet", "0,1"], "gene"),
        (["--subnet", "9," * 58 + "9"], ""),
        (["--jsn"], "unrecognized arguments"),
        (["--mapping", "fast"], "invalid choice: 'fast'"),
        (["--mapping", "cim", "--hardware", "u55-128"], "has none"),
        (["--fps", "0"], "--fps must be a positive number, but got 0"),
        (["--fps", "nan"], "--fps must be a positive number, but got nan"),
        (["--macros", "-1"], "--macros must be at least 0"),
        (["--macros", "1", "--hardware", "u55-256"], "no macros to derive"),
        (["--macros", "1", "--mapping", "cim"], "mapping 'cim' needs"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_damaged_soc_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "soc.yaml"
    path.write_text("base: u55-256\nnpu: {clock: {value: 1, unit: GHz, low: 1, high: 1, source: none}}\n")
    assert run("--hardware", str(path)) == 2
    assert "npu.clock.unit: must be 'MHz', but got 'GHz'" in capsys.readouterr().err
