from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hardware import sensitivity
from benchmarks.hardware.sensitivity import compared, influences, main
from objectives.hardware import SoC, load_soc
from objectives.hardware.soc import assumed
from search_space.arrays import Floats
from search_space.errors import H4HError
from tests.command_words import replaced


def columns(*rows: tuple[float, float, float]) -> tuple[Floats, tuple[Floats, Floats]]:
    """Quality, and latency with energy, of subnets given row by row."""
    table = np.array(rows)
    return table[:, 0], (table[:, 1], table[:, 2])


def test_scaling_moves_values_but_no_rank() -> None:
    quality, nominal = columns((3, 30, 30), (2, 20, 20), (1, 10, 10), (1, 15, 15))
    got = compared(quality, nominal, (nominal[0] * 2, nominal[1] * 0.5))
    assert got == {
        "latency_tau": pytest.approx(1),
        "energy_tau": pytest.approx(1),
        "latency_change": 1.0,
        "energy_change": -0.5,
        "front_kept": 1.0,
        "hypervolume_lost": 0.0,
    }


def test_front_that_turns_over() -> None:
    # One quality for all, energy as latency: the front is the fastest alone.
    quality, nominal = columns((1, 1, 1), (1, 2, 2), (1, 3, 3))
    turned = (nominal[0][::-1], nominal[1][::-1])
    got = compared(quality, nominal, turned)
    assert got["front_kept"] == 0
    assert got["latency_tau"] == pytest.approx(-1)
    # The old front is the worst of both: 0.1 of each range is left of 1.1. Quality has no range: 0.1 of 0.1.
    assert got["hypervolume_lost"] == pytest.approx(1 - (0.1 / 1.1) ** 2)


def test_sorted_by_what_leaves_the_front() -> None:
    soc = load_soc("u55-256")
    quality, nominal = columns((1, 1, 1), (1, 2, 2), (1, 3, 3))

    def cost(chip: SoC) -> tuple[Floats, Floats]:
        clock = dict(chip.quantities())["npu.clock"]
        return (nominal[0][::-1], nominal[1]) if clock.value == clock.low else nominal

    found = influences(soc, quality, nominal, cost)
    assert [(one.name, one.end) for one in found[:2]] == [("npu.clock", "low"), ("npu.clock", "high")]
    assert len(found) == len(list(assumed(soc)))
    assert all(one.latency_tau == pytest.approx(1) for one in found[2:])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Chip with one assumed number, so that the command is as fast as two costs."""
    path = tmp_path / "one.yaml"
    data = load_soc("u55-256-cim1").to_dict()
    for section in (*data.values(), data["memory"]["weight_store"]):
        for number in section.values() if isinstance(section, dict) else ():
            if isinstance(number, dict) and "value" in number:
                number["low"] = number["high"] = number["value"]
    data["noc"]["bandwidth"]["low"] = 1.0
    path.write_text(json.dumps(data))
    return path


def test_command(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "plot.png"
    main(["--hardware", str(path), "--subnets", "5", "--json", "--plot", str(plot)])
    record = json.loads(capsys.readouterr().out)
    (one,) = record["influences"]
    assert (one["name"], one["end"], one["value"], one["nominal"]) == ("noc.bandwidth", "low", 1, 8)
    assert one["latency_change"] > 0
    assert 1 <= record["front"] <= 5
    assert plot.read_bytes().startswith(b"\x89PNG")
    main(["--hardware", str(path), "--subnets", "5"])
    assert "noc.bandwidth" in capsys.readouterr().out


@pytest.mark.slow
def test_tables_give_the_same_figures(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    records = []
    for least in (6, 5):
        monkeypatch.setattr(sensitivity, "TABLES_PAY_FROM", least)
        main(["--hardware", str(path), "--subnets", "5", "--json"])
        records.append(json.loads(capsys.readouterr().out))
    assert records[0] == records[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--subnets", "1"], "--subnets must be at least 2"),
        (["--plot", "x.gif"], r"--plot must end in \.png, \.svg or \.pdf"),
        (
            ["--space", "imagenet224", "--accuracy", "measured"],
            "no checkpoint is shipped for space 'imagenet224'",
        ),
        (["--hardware", "u56"], "unknown hardware"),
    ],
)
def test_bad_input(arguments: list[str], message: str) -> None:
    with pytest.raises(H4HError, match=message):
        main(replaced(["--subnets", "2"], arguments))
