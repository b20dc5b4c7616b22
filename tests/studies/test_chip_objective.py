"""Objectives that depend on the chip: searched with chips, limited, picked, shown, compared and exported."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from objectives import registry
from objectives.hardware import CostModel, load_soc, variant
from objectives.hardware_objectives import Power
from objectives.objective import Dependency, Direction, Objective
from objectives.registry import ObjectiveContext, create_objectives
from search_space import complexity
from search_space.arrays import Floats
from search_space.space import Space
from search_space.subnet import Subnet
from studies import compare, export, load_study, pick, run, show
from studies.design_space.chip_choices import parse_hardware
from studies.design_space.design_space import DesignSpace
from studies.samplers import surrogate
from studies.samplers.operators import genotype_of
from studies.search import objective_range as ranges
from studies.search.objective_range import objective_range
from studies.study.hypervolume import MARGIN

FILE = load_soc("u55-256-cim8")
SEARCH = ("--search-hardware", "macros=0,2,8 units=1,4")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Load:
    """Multiply-accumulates for each macro: cheap, in no table, and another value on every chip."""

    costs: CostModel
    name: ClassVar[str] = "load"
    unit: ClassVar[str] = "MACs"
    direction: ClassVar[Direction] = "min"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network", "chip")
    follows_size: ClassVar[bool] = False
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        macs = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
        return macs / (1 + self.costs.soc.macros)

    def fingerprint(self) -> dict[str, str]:
        return self.costs.fingerprint()


def test_power_from_search_to_export(
    tiny_path: Path, tiny: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--space", str(tiny_path), "--objectives", "macs,power", "--population", "12"]
    joint = [*arguments, *SEARCH, "--constraint", "power<=0.02W", "--generations", "3", "--study", "joint"]
    run.main(joint)
    run.main([*arguments, "--generations", "2", "--study", "plain"])
    study, rows = (loaded := load_study("studies.db", "joint")).study, loaded.measured
    assert study.constraints == ("power<=20mW",)
    for row in rows:
        chip = study.chip(row.genotype)
        soc = variant(FILE, macros=chip.macros, units=chip.units)
        model = CostModel(soc, chip.mapping or "latency")
        power = Power(model)([tiny.decode(study.network(row.genotype))])[0]
        assert row.values[1] == row.limited[0] == power
        assert row.is_feasible == (power <= 20)
    capsys.readouterr()
    show.main(["--study", "joint"])
    assert "power mW" in capsys.readouterr().out
    pick.main(["joint", "--max-power", "15mW", "--json"])
    assert json.loads(capsys.readouterr().out)["picked"]["power"] <= 15
    compare.main(["joint", "plain", "--json"])
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert pair["objectives"] == ["macs", "power"]
    export.main(["joint", "--format", "csv", "--out", "joint.csv"])
    with Path("joint.csv").open() as file:
        assert [float(record["power"]) for record in csv.DictReader(file)] == [row.values[1] for row in rows]


def test_the_surrogate_takes_no_value_of_another_chip_as_exact(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values of `load` known on one chip never stand in for those on another one."""
    monkeypatch.setitem(registry._BUILT_IN, "load", Load)
    predicted: list[str] = []
    known = surrogate.SurrogateSampler._known

    def watched(self: surrogate.SurrogateSampler, name: str, subjects, values):  # type: ignore[no-untyped-def]
        predicted.append(name)
        before = values.copy()
        after = known(self, name, subjects, values)
        assert subjects.shape[1] == len(self._space.genes)
        measured = self._measured[name]
        new = [place for place, row in enumerate(subjects) if genotype_of(row) not in measured]
        assert np.array_equal(before[..., new], after[..., new])
        return after

    monkeypatch.setattr(surrogate.SurrogateSampler, "_known", watched)
    arguments = ["--space", str(tiny_path), *SEARCH, "--objectives", "load,area", "--sampler", "surrogate"]
    run.main([*arguments, "--population", "20", "--generations", "3", "--study", "mine"])
    assert set(predicted) == {"load"}
    rows = load_study("studies.db", "mine").measured
    study = load_study("studies.db", "mine").study
    by_network: dict[tuple[int, ...], set[float | None]] = {}
    for row in rows:
        macros = study.chip(row.genotype).macros or 0
        assert row.values[0] == row.macs / (1 + macros)
        by_network.setdefault(study.network(row.genotype), set()).add(row.values[0])
    assert any(len(values) > 1 for values in by_network.values())


def test_an_expensive_objective_is_measured_on_every_chip(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._BUILT_IN, "load", type("Slow", (Load,), {"is_expensive": True}))
    arguments = ["--space", str(tiny_path), *SEARCH, "--objectives", "load,area", "--sampler", "random"]
    for name, seed in (("first", "0"), ("second", "1")):
        run.main([*arguments, "--population", "60", "--generations", "2", "--study", name, "--seed", seed])
        study = load_study("studies.db", name).study
        for row in load_study("studies.db", name).measured:
            assert row.values[0] == row.macs / (1 + (study.chip(row.genotype).macros or 0))


def power_over(space: DesignSpace) -> Objective:
    greatest = space.chips.greatest
    context = ObjectiveContext(FILE.variant(greatest), chips=FILE.variant, greatest=greatest)
    return create_objectives(["power"], context)[0]


def test_bounds_of_a_ratio_hold_all_networks(tiny: Space) -> None:
    """Smallest and largest network have about the same power; the sampled range holds that of all 108."""
    space = DesignSpace(tiny, parse_hardware("macros=8"))
    power = power_over(space)
    low, high = objective_range(power, space)
    every, border = {space.smallest()}, {space.smallest()}
    while border:
        border = {near for origin in border for near in space.neighbours(origin)} - every
        every |= border
    values = np.array(ranges._values(power, space, sorted(every)))
    corners = ranges._values(power, space, space.corners)
    margin = MARGIN * (max(corners) - min(corners))
    assert len(values) == 108
    assert ((values < min(corners) - margin) | (values > max(corners) + margin)).mean() > 0.5
    assert low <= values.min()
    assert values.max() <= high
    assert (low, high) == objective_range(power_over(space), space)


def test_bounds_that_follow_size_are_those_of_the_extremes(tiny: Space) -> None:
    space = DesignSpace(tiny)
    (macs,) = create_objectives(["macs"], ObjectiveContext(FILE))
    extremes = [complexity.macs(tiny.decode(one)) for one in (tiny.smallest(), tiny.largest())]
    assert objective_range(macs, space) == tuple(extremes)
