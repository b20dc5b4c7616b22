"""Studies that search chip and network together: through every command, and against the direct model."""

from __future__ import annotations

import csv
import json
import random
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from objectives import registry
from objectives.hardware import CostModel, load_soc, variant
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import network_totals
from search_space.command.command_line import run_command
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from studies import compare, export, load_study, pick, report, run, show
from studies.analysis.assumed_numbers import cost_model
from studies.design_space.chip_choices import parse_hardware
from studies.design_space.design_space import DesignSpace
from studies.report_page.report_data import report_record
from studies.samplers import virtual_search
from studies.samplers.registry import known_samplers
from studies.search.evaluator import Evaluator
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.settings import PREFERRING
from studies.study.study import Study
from tests.studies.killed_run import killed, rows, run_anew
from tests.studies.killed_run import run as run_apart
from tests.studies.quality import Quality

FILE = load_soc("u55-256-cim8")
CHOICES = "macros=0,2,8 units=1,4"
SEARCH = ("--search-hardware", CHOICES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own, with few predicted candidates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)
    return tmp_path


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> Quality:
    """An objective that notes which networks it measured."""
    made = Quality()
    monkeypatch.setitem(registry._BUILT_IN, "quality", made)
    return made


@pytest.fixture
def search(tiny_path: Path) -> Callable[..., None]:
    """Runs a study over the tiny space and the chips of `CHOICES`."""

    def search(*arguments: str) -> None:
        name = [] if "--study" in arguments else ["--study", "mine"]
        run.main(["--space", str(tiny_path), *SEARCH, *name, *arguments])

    return search


def load(path: str = "studies.db", name: str = "mine") -> tuple[Study, list[Evaluation]]:
    with open_store(Path(path)) as store:
        return store.study(name), store.evaluations(name)


def soc_of(chip: Chip) -> CostModel:
    return CostModel(variant(FILE, macros=chip.macros, units=chip.units), chip.mapping or "latency")


def test_every_design_costs_what_the_direct_model_says(
    search: Callable[..., None], tiny: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = ("--objectives", "lat,energy,area", "--sampler", "random", "--population", "180")
    search(*costs, "--generations", "9")
    assert "all 972 designs of space 'tiny' are evaluated" in capsys.readouterr().out
    study, evaluations = load()
    assert len({one.genotype for one in evaluations}) == len(evaluations) == 108 * 9
    networks = {one.genotype[:10] for one in evaluations}
    assert len(networks) == 108
    area = {name: number.value for name, number in FILE.area.quantities()}
    found = set()
    pairs = ((2, 1), (2, 4), (8, 1), (8, 4))
    chips = [Chip(*pair, mapping) for pair in pairs for mapping in ("latency", "energy")]
    for chip in (Chip(0), *chips):
        macros, units = chip.macros or 0, chip.units
        mine = [one for one in evaluations if study.chip(one.genotype) == chip]
        assert len(mine) == 108
        subnets = [tiny.decode(one.genotype[:10]) for one in mine]
        latency, energy = network_totals(soc_of(chip), subnets)
        expected = area["npu"] + macros * (area["macro"] + area["controller"] + (units or 0) * area["unit"])
        expected += 4 * 4.46  # weight store
        assert [one.values[:2] for one in mine] == list(zip(latency.tolist(), energy.tolist(), strict=True))
        assert [one.values[2] for one in mine] == pytest.approx([expected] * 108)
        found |= {one.genotype for one in mine}
    assert len(found) == len(evaluations)


def test_a_network_is_measured_once_whatever_its_chips(
    search: Callable[..., None], quality: Quality, tiny: Space
) -> None:
    arguments = ("--objectives", "quality,lat,area", "--sampler", "random", "--population", "60")
    search(*arguments, "--generations", "3")
    assert len(load()[1]) == 180
    networks = {tiny.decode(one.genotype[:10]) for one in load()[1]}
    assert len(networks) < 108
    assert len(quality.measured) == len(set(quality.measured)) == len(networks)
    # Gone on, as another study, and as one of a single chip: the database knows what was measured.
    search(*arguments, "--generations", "20")
    assert len(load()[1]) == 540
    assert len(quality.measured) == len(set(quality.measured)) == 108
    search(*arguments, "--generations", "1", "--study", "other", "--seed", "1")
    run.main([*arguments, "--space", load()[0].settings["space"], "--study", "plain", "--generations", "2"])
    assert len(quality.measured) == 108
    for study, evaluations in (load(), load(name="plain")):
        for one in evaluations:
            macs = one.macs
            assert one.values[0] == pytest.approx(100 * macs / (macs + 1e6)), study.name


def test_a_joint_study_takes_over_what_one_of_a_single_chip_measured(
    search: Callable[..., None], quality: Quality, tiny_path: Path
) -> None:
    arguments = ("--objectives", "quality,lat", "--sampler", "random", "--population", "60")
    run.main([*arguments, "--space", str(tiny_path), "--study", "plain", "--generations", "2"])
    assert len(quality.measured) == 108
    search(*arguments, "--generations", "2")
    assert len(quality.measured) == 108


def test_groups_hold_all_chips_of_a_network(tiny: Space) -> None:
    joint = DesignSpace(tiny, parse_hardware(CHOICES))
    rng = np.random.default_rng(0)
    networks = list(dict.fromkeys(tiny.sample(rng) for _ in range(30)))[:20]
    batch = dict(enumerate(joint.placed(one, chip) for chip in joint.chips.chips for one in networks))
    quality = Quality()
    ticks = iter(range(1000))
    evaluator = Evaluator(joint, [quality], clock=lambda: 20.0 * next(ticks))
    chunks = list(evaluator.evaluate(batch))
    assert quality.groups == [8, 8, 4]
    assert [len(chunk) for chunk in chunks] == [40, 40, 20]
    by_network: dict[Genotype, set[float | None]] = {}
    for one in (one for chunk in chunks for one in chunk):
        by_network.setdefault(one.genotype[:10], set()).add(one.values[0])
    assert set(by_network) == set(networks)
    assert all(len(values) == 1 for values in by_network.values())
    ((again,),) = evaluator.evaluate({100: joint.placed(networks[0], Chip(2, 1))})
    assert {again.values[0]} == by_network[networks[0]]
    assert len(quality.measured) == 20


QUICK = ("--objectives", "quality,lat,area", "--population", "6")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if "gp" in name else name for name in known_samplers()],
)
def test_every_sampler_goes_on_exactly(search: Callable[..., None], quality: Quality, name: str) -> None:
    assert quality.measured == []
    preferred = ("--prefer", "area=20mm2") if name == PREFERRING else ()
    arguments = (*QUICK, "--sampler", name, *preferred, "--constraint", "area<=24mm2")
    most = 2 if name == "optuna-gp" else 5  # which takes seconds for a network
    search(*arguments, "--generations", str(most), "--db", "whole.db")
    search(*arguments, "--generations", str(most - 1))
    search(*arguments, "--generations", str(most))
    assert rows(Path("studies.db")) == rows(Path("whole.db"))
    study, evaluations = load()
    assert len({one.genotype for one in evaluations}) == len(evaluations) == 6 * most
    space = study.search_space
    assert all(space.canonical(one.genotype) == one.genotype for one in evaluations)
    # 8 macros of 4 units have 26 mm2, 17.8 of them the weight store: never measured.
    too_large = [one for one in evaluations if study.chip(one.genotype) == Chip(8, 4)]
    assert all(one.values[0] is None and not one.is_feasible for one in too_large)
    assert evaluations[1] in too_large
    assert all(one.is_feasible for one in evaluations if one not in too_large)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nsga2", "surrogate"])
def test_killed_at_random_moments_gives_the_same_table(tmp_path: Path, tiny_path: Path, name: str) -> None:
    arguments = ["--space", str(tiny_path), *SEARCH, "--objectives", "quality,lat,area", "--sampler", name]
    arguments += ["--generations", "6"]
    run_anew(tmp_path, *arguments, "--db", "whole.db")
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    rng = random.Random(name)
    for _ in range(3):
        assert killed(broken, rng, *arguments, most=10)
    run_apart(tmp_path, *arguments, "--db", "broken.db")
    assert rows(broken) == rows(whole)
    assert len(rows(whole)) == 36


def test_another_choice_of_chips_is_another_study(
    search: Callable[..., None], quality: Quality, tiny_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quality.name == "quality"
    search(*QUICK, "--generations", "1")
    changed = [*QUICK, "--space", str(tiny_path), "--study", "mine", "--generations", "1"]
    error = fails(capsys, *changed, "--search-hardware", "macros=0,2 units=1,4")
    assert "search_hardware macros=0,2,8 units=1,4 -> macros=0,2 units=1,4" in error
    assert "search_hardware macros=0,2,8 units=1,4 -> absent" in fails(capsys, *changed)
    # The order in which options are given says nothing.
    run.main([*changed, "--search-hardware", "units=4,1 macros=8,2,0"])


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr of a command that exits with 2 and leaves no file."""
    before = sorted(Path.cwd().iterdir())
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: run.main(arguments))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert sorted(Path.cwd().iterdir()) == before
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--search-hardware", "cores=2"), "unknown choice of --search-hardware 'cores'"),
        (("--search-hardware", "macros=1,1"), "macros lists 1 twice"),
        (("--search-hardware", "macros=-1"), "macros must be 0 to 1000, but got -1"),
        (("--search-hardware", "macros=4000"), "macros must be 0 to 1000, but got 4000"),
        (("--search-hardware", "units=1.5"), "whole numbers"),
        (("--search-hardware", ""), "must name macros, units or mapping"),
        ((*SEARCH, "--macros", "4"), "--macros 4 fixes what --search-hardware searches"),
        ((*SEARCH, "--hardware", "u55-256"), "needs a chip with macros to copy"),
        ((*SEARCH, "--hardware", "u55-256-tiles8", "--objectives", "lat,area"), "needs area.macro"),
        ((*SEARCH, "--objectives", "macs,params"), "depends on the chip, any of lat, energy, power, area"),
        ((*SEARCH, "--mapping", "cim"), "cim"),
        ((*SEARCH, "--objectives", "acc,lat", "--racing"), "--racing scores each network against one front"),
        (("--hardware", "u55-256-tiles8", "--constraint", "area<=3mm2"), "needs area.macro"),
        (("--constraint", "area<=3"), "unit of area must be one of um2, mm2, but got none"),
        ((*SEARCH, "--seed-subnets", "0,0,0"), "has 60 genes"),
        (("--objectives", "lat,energy,area,macs,params,sram,acc"), "must be at most 6"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str
) -> None:
    objectives = () if "--objectives" in arguments else ("--objectives", "lat,macs")
    assert message in fails(capsys, *objectives, *arguments)


def test_too_many_macros_for_the_floor_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    far = tmp_path / "far.yaml"
    far.write_text(
        "base: u55-256-cim8\nname: far\nnoc: {sram: [-1000, 0], npu: [-999, 1], macros: [[-999, 0]]}\n"
        "cim: {macros: {value: 1, unit: macro, low: 0, high: 1, source: test}}\n"
    )
    arguments = ("--objectives", "lat", "--hardware", str(far), "--search-hardware")
    assert "tile coordinates must be -1000 to 1000" in fails(capsys, *arguments, "macros=1,900")


def test_area_without_a_choice_of_chips(tiny_path: Path) -> None:
    arguments = ["--space", str(tiny_path), "--objectives", "macs,area", "--population", "4"]
    arguments += ["--generations", "1", "--study", "mine", "--constraint", "area<=21mm2"]
    run.main([*arguments, "--hardware", "u55-256-cim4"])
    run.main([*arguments, "--macros", "8", "--db", "eight.db"])
    assert {one.values[1] for one in load()[1]} == {load_soc("u55-256-cim4").area_mm2}
    assert all(one.is_feasible for one in load()[1])
    assert not any(one.is_feasible for one in load("eight.db")[1])


def test_seeds_and_warm_starts_carry_the_chip(
    search: Callable[..., None], quality: Quality, tiny: Space, tiny_path: Path
) -> None:
    assert quality.name == "quality"
    joint = DesignSpace(tiny, parse_hardware(CHOICES))
    seed = joint.placed(tiny.canonical((1, 1, *[0] * 8)), Chip(2, 4))
    search(*QUICK, "--generations", "2", "--seed-subnets", f"max,{to_text(seed)}")
    study, evaluations = load()
    assert [one.genotype for one in evaluations[:3]] == [joint.smallest(), joint.largest(), seed]
    front = {one.genotype for one in study.front(evaluations)}

    def first(name: str, *arguments: str) -> list[Evaluation]:
        run.main([*QUICK, "--space", str(tiny_path), "--study", name, "--generations", "1", *arguments])
        return load(name=name)[1]

    same = first("same", *SEARCH, "--warm-start", "mine")
    assert {one.genotype for one in same[2:]} & front
    # Fewer chips: those that are left, in their new places.
    fewer = first("fewer", "--search-hardware", "macros=0,8 units=4", "--warm-start", "mine")
    chips = {study.chip(genotype) for genotype in front}
    space = load(name="fewer")[0].search_space
    carried = [one.genotype for one in fewer if one.genotype[:10] in {genotype[:10] for genotype in front}]
    assert carried
    assert {space.chip(one) for one in carried} <= {Chip(0), Chip(8, 4)}
    assert chips
    # One chip: each network once.
    plain = first("plain", "--warm-start", "mine")
    assert len({one.genotype for one in plain}) == len(plain) == 6
    assert {one.genotype for one in plain[2:]} & {genotype[:10] for genotype in front}
    # From one chip to several: on the greatest.
    back = first("back", *SEARCH, "--warm-start", "plain")
    from_plain = {one.genotype for one in load(name="plain")[0].front(plain)}
    taken = [
        one for one in back[2:] if one.genotype[:10] in from_plain and study.chip(one.genotype) == Chip(8, 4)
    ]
    assert taken


@dataclass(frozen=True)
class Finished:
    """A joint study and what commands print about it."""

    study: Study
    evaluations: tuple[Evaluation, ...]


@pytest.fixture
def finished(search: Callable[..., None], quality: Quality, capsys: pytest.CaptureFixture[str]) -> Finished:
    assert quality.name == "quality"
    arguments = ("--objectives", "quality,lat,energy,area", "--mapping", "latency")
    search(*arguments, "--population", "12", "--generations", "3")
    capsys.readouterr()
    study, evaluations = load()
    return Finished(study, tuple(evaluations))


def test_tables_and_json_say_the_chip(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    show.main(["--study", "mine", "--json", "--evaluations"])
    record = json.loads(capsys.readouterr().out)
    for one, row in zip(finished.evaluations, record["evaluations"], strict=True):
        chip = finished.study.chip(one.genotype)
        assert (row["macros"], row["units"]) == (chip.macros, chip.units)
    assert {row["macros"] for row in record["evaluations"]} == {0, 2, 8}
    show.main(["--study", "mine"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (header,) = (line for line in lines if line[:1] == ["id"])
    place = header.index("macros") - 4  # the objectives have a unit each
    front = finished.study.front(finished.evaluations)
    for one, cells in zip(front, (line for line in lines if line and line[0].isdigit()), strict=True):
        chip = finished.study.chip(one.genotype)
        assert cells[place : place + 2] == [str(chip.macros), "-" if chip.units is None else str(chip.units)]
    html = load_study("studies.db", "mine")._repr_html_()
    assert "<th>macros</th><th>units</th>" in html


def test_csv_and_optuna_say_the_chip(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    export.main(["mine", "--format", "csv", "--out", "mine.csv"])
    with Path("mine.csv").open() as file:
        records = list(csv.DictReader(file))
    for one, row in zip(finished.evaluations, records, strict=True):
        chip = finished.study.chip(one.genotype)
        units = "" if chip.units is None else str(chip.units)
        assert (row["macros"], row["units"]) == (str(chip.macros), units)
        assert (row["hardware.macros"], row["hardware.units"]) == (row["macros"], row["units"])
    export.main(["mine", "--format", "optuna", "--out", "optuna.db"])
    assert "36 evaluations" in capsys.readouterr().out


def test_printed_commands_profile_on_the_right_chip(
    finished: Finished, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)
    from objectives import profile

    macros = set()
    for limit in ("18mm2", "20mm2", "27mm2"):
        pick.main(["mine", "--max-area", limit, "--prefer", "lat", "--json"])
        found = json.loads(capsys.readouterr().out)
        words = shlex.split(found["next"]["profile"])
        profile.main([*words[3:], "--json"])
        profiled = json.loads(capsys.readouterr().out)
        assert profiled["latency_ms"] == found["picked"]["lat"]
        assert profiled["energy_mj"] == found["picked"]["energy"]
        assert words[words.index("--subnet") + 1] == to_text(tuple(found["picked"]["genotype"][:10]))
        macros.add(found["picked"]["macros"])
    assert macros >= {0, 2}


def test_report_maps_each_network_on_its_own_chip(finished: Finished) -> None:
    (record,) = report_record(report.read(["mine"], Path("studies.db")))["studies"]
    assert record["rows"]["chip"]["macros"] == [
        finished.study.chip(one.genotype).macros for one in finished.evaluations
    ]
    assert record["mappings"]
    for row, mapping in record["mappings"].items():
        one = finished.evaluations[row]
        assert (mapping["latency_ms"], mapping["energy_mj"]) == one.values[1:3]
    genes = [gene["name"] for gene in record["genes"]]
    assert genes[-2:] == ["hardware.macros", "hardware.units"]
    assert record["importance"]
    assert record["hardware"]
    assert record["sensitivity"]
    weighed, shares = record["importance"]["genes"], record["importance"]["shares"]["area"]
    ranked = sorted(weighed, key=lambda name: -shares[weighed.index(name)])
    assert set(ranked[:2]) == {"hardware.macros", "hardware.units"}
    assert record["hardware"]["name"] == "u55-256-cim8"
    names = {shift["name"] for shift in record["sensitivity"]["shifts"]}
    assert names
    assert not names & {"cim.macros", "cim.compute_units"}
    report.main(["mine", "--out", "mine.html"])
    assert "of the chip" in Path("mine.html").read_text()


def test_the_chip_of_a_study_is_found_again(finished: Finished) -> None:
    for chip in (Chip(0), Chip(2, 4)):
        expected = variant(FILE, macros=chip.macros, units=chip.units)
        assert cost_model(finished.study, chip).soc.digest == expected.digest
    assert (cost_model(finished.study).soc.macros, cost_model(finished.study).soc.units) == (8, 4)


def test_compared_with_a_study_of_one_chip(
    finished: Finished, tiny_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finished.study.hardware_choices == ("macros", "units")
    run.main(
        [*QUICK, "--space", str(tiny_path), "--study", "plain", "--generations", "1"],
    )
    capsys.readouterr()
    compare.main(["mine", "plain", "--json"])
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    notes = " | ".join(pair["notes"])
    assert "different choices of hardware: macros=0,2,8 units=1,4 and none" in notes
    assert "different spaces" not in notes
