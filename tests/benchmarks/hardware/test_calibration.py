"""Calibration at the fronts: its table, its JSON, and the worth of a macro by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hardware import calibration
from benchmarks.hardware.calibration import defined, macro_worth
from benchmarks.paper.protocol import PRIMARY
from benchmarks.paper.tables import digits_of, number
from objectives.hardware import CostModel, load_soc
from objectives.workload import ops_of, workload
from search_space.space import load_space
from tests.benchmarks.conftest import small_options
from tests.command import Command


def test_worth_of_a_macro_by_hand() -> None:
    """Sums over the ops that the macros run, of the same ops on either device."""
    space = load_space("cifar32")
    subnet = space.decode(space.smallest())
    ops = ops_of(workload(subnet))
    forced = CostModel(load_soc("u55-256-cim8"), "cim").network(ops).ops
    alone = load_soc("u55-256").npu.cycles(ops)
    moved = [place for place, one in enumerate(forced) if one.npu_channels == 0]
    assert 0 < len(moved) < len(ops)
    found = macro_worth("u55-256-cim8", [subnet])
    slower = sum(forced[place].cycles for place in moved) / sum(alone[place] for place in moved)
    assert found.speed == pytest.approx(1 / slower / 8)
    # The same networks again change no ratio.
    twice = macro_worth("u55-256-cim8", [subnet, subnet])
    assert (twice.speed, twice.energy) == pytest.approx((found.speed, found.energy))
    assert (found.networks, twice.networks) == (1, 2)


def test_without_networks_there_is_no_worth() -> None:
    found = macro_worth("u55-256-cim8", [])
    assert math.isnan(found.speed)
    assert defined({"speed": found.speed, "networks": 0}) == {"speed": None, "networks": 0}


@pytest.mark.slow
def test_the_table_is_that_of_the_page(small_run: Path, command: Command) -> None:
    ended = command(calibration.main, *small_options(small_run))
    assert ended.code == 0, ended.err
    page = (small_run / "results.md").read_text()
    record = json.loads(command(calibration.main, *small_options(small_run), "--json").out)
    assert [one["hardware"] for one in record["chips"]] == ["u55-256-cim8", "u55-256-cim8x4"]
    for figure in PRIMARY:
        chip = next(one for one in record["chips"] if one["hardware"] == figure.chip)
        name = {"lat": "latency", "energy": "energy"}[figure.cost]
        value = chip[f"{name}_{figure.measure}"]["value"]
        row = next(line for line in page.splitlines() if line.startswith(f"| {figure.title} |"))
        shown = number(math.nan if value is None else value, digits_of(figure.measure))
        assert row.split("|")[4].split()[0] == shown
        if figure.measure == "saved_mean":
            assert f"{value:.1f} (" in ended.out
            assert f"{figure.paper:g}" in ended.out
    assert "departs from the protocol: 2 seeds instead of 5" in ended.out
    assert record["chips"][0]["macro"]["networks"] > 0
    assert np.isfinite(record["chips"][0]["macro"]["speed"])


@pytest.mark.slow
def test_assumed_numbers_of_the_fronts(small_run: Path, command: Command) -> None:
    given = (*small_options(small_run), "--explain", "cim.idle_leakage, noc.hop_energy")
    table = command(calibration.main, *given).out
    assert "cim.idle_leakage high: 0.26 mW/macro" in table
    assert "as it is" in table
    rows = json.loads(command(calibration.main, *given, "--json").out)
    assert [row["name"] for row in rows] == [
        "", "noc.hop_energy", "noc.hop_energy", "cim.idle_leakage", "cim.idle_leakage"
    ]  # fmt: skip
    title = "energy saved at equal accuracy, mean"
    low, high = (row["figures"][title] for row in rows[-2:])
    assert low > rows[0]["figures"][title] > high


def test_an_unknown_number_stops_the_command(command: Command, tmp_path: Path) -> None:
    database = tmp_path / "new.db"
    given = ("--db", str(database), "--chips", "u55-256-cim8", "--explain", "npu.mac")
    ended = command(calibration.main, *given)
    assert ended.code == 2
    assert ended.err.startswith("error: unknown quantity 'npu.mac'")
    assert list(tmp_path.iterdir()) == []
