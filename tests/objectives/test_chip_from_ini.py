"""Chip files from ini files of Arm's compiler; the input is the one that comes with it."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest
import yaml

from objectives.describe import main
from objectives.hardware import load_soc
from search_space.command.command_line import run_command

ARM = Path(str(resources.files("ethosu") / "config_files" / "Arm" / "vela.ini"))
INI = """
[System_Config.Board]
core_clock=400e6
axi0_port=Sram
axi1_port=OnChipFlash
Sram_clock_scale=1.0   ; the port at full speed
Sram_burst_length=32
Sram_read_latency=16
OnChipFlash_clock_scale=0.25 # three wait states
OnChipFlash_burst_length=64
OnChipFlash_read_latency=40
[System_Config.Derived]
inherit=System_Config.Board
core_clock=200e6
[Memory_Mode.Half]
const_mem_area=Axi1
arena_mem_area=Axi0
cache_mem_area=Axi0
arena_cache_size=524288
[Memory_Mode.Dram]
const_mem_area=Axi1
arena_mem_area=Axi1
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "board.ini"
    path.write_text(INI)
    return path


def arguments(file: Path, out: Path, system: str = "Board", mode: str = "Half", **more: str) -> list[str]:
    options = {"from_vela_ini": file, "system_config": system, "memory_mode": mode, "out": out, **more}
    return [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as left:
        run_command(lambda: main(options))
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_arms_preset_is_the_chip_of_the_benchmarks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chip.yaml"
    main(arguments(ARM, out, "Ethos_U55_High_End_Embedded", "Shared_Sram", hardware="u55-128"))
    assert f"wrote {out}: NPU and energies of u55-128, 500 MHz" in capsys.readouterr().out
    npu, base = load_soc(str(out)).npu, load_soc("u55-128").npu
    machine = npu.machine
    # SRAM of 4 GB/s and flash of 0.5 GB/s at 500 MHz, as the file's own comments say.
    assert (machine.sram, machine.weights) == (8, 1)
    assert (machine.sram_latency, machine.weight_latency, machine.sram_burst) == (32, 64, 32)
    assert npu.buffers_weights
    store, flash = (load_soc(chip).memory.weight_store for chip in (str(out), "u55-256-flash"))
    assert store is not None
    assert flash is not None
    # An ini file states no energy: it is that of off-chip flash, and not that of the base's MRAM.
    assert (store.kind, store.read_energy) == ("flash", flash.read_energy)
    assert machine._replace(weights=4, weight_latency=32) == base.machine


def test_every_number_of_the_file_reaches_the_chip(ini: Path, tmp_path: Path) -> None:
    out = tmp_path / "chip.yaml"
    main(arguments(ini, out, "Derived", hardware="u55-256-cim8"))
    soc = load_soc(str(out))
    data = yaml.safe_load(out.read_text())
    assert data["base"] == "u55-256-cim8"
    assert (soc.name, soc.macros, soc.clock_mhz) == ("chip", 8, 200)
    assert data["npu"]["sram_bandwidth"]["value"] == 1.6  # 8 B at 200 MHz
    assert data["memory"]["weight_store"].keys() == {"bandwidth", "latency"}
    assert data["memory"]["weight_store"]["bandwidth"]["value"] == 0.4
    assert soc.memory.weight_store is not None
    assert soc.memory.weight_store.kind == "mram"
    assert soc.memory.sram_bytes == 524288
    assert "board.ini, Derived and Half" in soc.npu.clock.source
    assert soc.npu.mac_energy == load_soc("u55-256-cim8").npu.mac_energy


def test_one_memory_for_all(tmp_path: Path) -> None:
    out = tmp_path / "chip.yaml"
    main(arguments(ARM, out, "Ethos_U55_Deep_Embedded", "Sram_Only"))
    npu = load_soc(str(out)).npu
    assert npu.machine.weights == npu.machine.sram == 8
    assert not npu.buffers_weights


def test_base_of_another_folder(ini: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    Path("mine.yaml").write_text("base: u55-64\nname: mine\n")
    main(arguments(ini, Path("deep/chip.yaml"), hardware="mine.yaml"))
    assert load_soc("deep/chip.yaml").npu.peak_macs_per_cycle == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": "Bord"}, "unknown --system-config 'Bord': must be one of Board, Derived; did you mean"),
        ({"mode": "Whole"}, "unknown --memory-mode 'Whole': must be one of Half, Dram"),
        ({"mode": "Dram"}, "keeps activations in OnChipFlash, but this model keeps them in Sram"),
        ({"out": Path("chip.txt")}, "--out must end in .yaml"),
        ({"out": Path("missing/chip.yaml")}, "cannot be written (No such file or directory)"),
        ({"hardware": "u55"}, "unknown hardware 'u55'"),
        ({"macros": "2"}, "takes no --macros, --units, --space or --json"),
        ({"file": Path("missing.ini")}, "--from-vela-ini missing.ini does not exist"),
        ({"file": Path()}, "is not a regular file but a folder"),
        (
            {"hardware": "u55-256-flash"},
            "weights lie in OnChipFlash, but the weight store of u55-256-flash is of kind 'flash'",
        ),
        ({"file": ARM, "system": "Ethos_U65_Embedded", "mode": "Shared_Sram"}, "is of an Ethos-U65"),
    ],
)
def test_bad_options(
    changes: dict[str, str],
    message: str,
    ini: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    options: dict[str, object] = {"file": ini, "out": Path("chip.yaml"), **changes}
    assert message in refused(capsys, *arguments(**options))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["board.ini"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core_clock=400e6", "", "[System_Config.Board] lacks the key core_clock"),
        ("core_clock=400e6", "core_clock=fast", "core_clock: must be a number above 0, but got 'fast'"),
        ("Sram_read_latency=16", "Sram_read_latency=-1", "must be a number of at least 0"),
        ("axi1_port=OnChipFlash", "axi1_port=Tape", "axi1_port: must be one of Sram, Dram"),
        ("const_mem_area=Axi1", "const_mem_area=Axi2", "const_mem_area: must be Axi0 or Axi1"),
        ("arena_cache_size=524288", "inherit=Memory_Mode.Half", "inherits from itself"),
        ("arena_cache_size=524288", "inherit=Memory_Mode.Gone", "[Memory_Mode.Gone], which is missing"),
        ("[System_Config.Board]", "no section", "is no ini file"),
        ("[System_Config.Board]\n", "[System_Config.Board]\n[System_Config.Board]\n", "is no ini file"),
        (INI, "\0", "is no ini file"),
        (INI, "", "has no section [System_Config.NAME]"),
    ],
)
def test_bad_files(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.ini"
    path.write_text(INI.replace(old, new))
    out = tmp_path / "chip.yaml"
    assert message in refused(capsys, *arguments(path, out))
    assert not out.exists()


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refused(capsys, *arguments(tmp_path / "pipe", tmp_path / "chip.yaml"))


def test_options_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "--from-vela-ini", str(ARM), "--system-config", "Ethos_U55_High_End_Embedded")
    assert "--from-vela-ini, --system-config needs --memory-mode and --out as well" in error
