from __future__ import annotations

import json
from pathlib import Path

import pytest

from objectives.describe import main
from objectives.hardware import known_socs, load_soc
from objectives.hardware.chip import Chip
from search_space.errors import H4HError


@pytest.mark.parametrize("name", known_socs())
def test_every_number_with_unit_and_source(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--hardware", name, "--json"])
    record = json.loads(capsys.readouterr().out)
    soc = load_soc(name)
    assert record["digest"] == soc.digest
    assert {key: each["value"] for key, each in record["quantities"].items()} == {
        key: number.value for key, number in soc.quantities()
    }
    assert all(each["unit"] and each["source"] for each in record["quantities"].values())
    assert len(record["floor_plan"].get("macros", [])) == soc.macros


def test_text_shows_every_source_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--hardware", "u55-256-cim8"])
    words = " ".join(capsys.readouterr().out.split())
    for name, number in load_soc("u55-256-cim8").quantities():
        assert f"{name} {number.value:g} {number.unit} {number.low:g} to {number.high:g}" in words
        assert " ".join(number.source.split()) in words


def test_floor_plan_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--hardware", "u55-256-cim8", "--macros", "2"])
    text = capsys.readouterr().out
    assert "[ M1 ]--[SRAM]--[ M2 ]" in text
    assert "[NPU ]" in text
    assert "M3" not in text
    main(["--hardware", "u55-128"])
    assert "without macros and network" in capsys.readouterr().out


def test_bus_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bus.yaml"
    path.write_text("base: u55-256-cim1\nname: bus\nnoc: {topology: bus}\n")
    main(["--hardware", str(path)])
    assert "bus" in capsys.readouterr().out


def test_variant_that_cannot_be() -> None:
    with pytest.raises(H4HError, match="no macros"):
        main(["--hardware", "u55-128", "--macros", "3"])


def test_networks_of_a_space_instead_of_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--space", "cifar32", "--hardware", "u55-128"])
    text = capsys.readouterr().out
    assert text.startswith("networks of cifar32 on u55-128:\n")
    assert "floor plan" not in text
    main(["--space", "cifar32", "--hardware", "u55-256-cim8", "--macros", "2", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["hardware"] == load_soc("u55-256-cim8").variant(Chip(macros=2)).name
    assert record["quantities"]["lat"]["smallest"] < record["quantities"]["lat"]["largest"]


def test_a_new_chip_file_takes_no_space() -> None:
    ini = ["--from-vela-ini", "vela.ini", "--system-config", "a", "--memory-mode", "b", "--out", "chip.yaml"]
    with pytest.raises(H4HError, match="takes no --macros, --units, --space or --json"):
        main([*ini, "--space", "cifar32"])
