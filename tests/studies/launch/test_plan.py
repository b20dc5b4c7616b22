from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.cost_model import COST_SCOPE
from objectives.hardware_objectives import network_totals
from search_space.errors import H4HError
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from studies import load_study, run
from studies.analysis.assumed_numbers import cost_model
from studies.launch.plan import check
from studies.presentation.next_commands import mapping_of
from studies.samplers import virtual_search
from studies.samplers.registry import known_samplers
from studies.storage.store import open_store
from studies.study.settings import PREFERRING, StudySettings

QUICK = ("--objectives", "params,lat", "--population", "6", "--sampler", "nsga2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own, with few predicted candidates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)
    return tmp_path


def rows(path: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM evaluation ORDER BY study, number").fetchall()


def genotypes(study: str, path: str = "studies.db") -> list[Genotype]:
    with open_store(Path(path)) as store:
        return [one.genotype for one in store.evaluations(study)]


def fails(arguments: Sequence[str]) -> str:
    with pytest.raises(H4HError) as error:
        run.main(arguments)
    return str(error.value)


def test_named_subnets_follow_the_extremes_and_are_part_of_the_study(cifar32: Space) -> None:
    rng = np.random.default_rng(0)
    first, second = cifar32.sample(rng), cifar32.sample(rng)
    arguments = [*QUICK, "--study", "s", "--seed-subnets"]
    run.main([*arguments, f"{to_text(first)},max,{to_text(second)}", "--generations", "1"])
    assert genotypes("s")[:4] == [cifar32.smallest(), cifar32.largest(), first, second]
    # The extremes are there anyway.
    run.main([*arguments, f"{to_text(first)},{to_text(second)}", "--generations", "2"])
    assert "first generation" in fails([*arguments, to_text(first)])
    assert "first generation" in fails([*QUICK, "--study", "s"])


def test_more_named_subnets_than_the_first_generation_holds_are_refused(cifar32: Space) -> None:
    rng = np.random.default_rng(0)
    named = ",".join(to_text(cifar32.sample(rng)) for _ in range(5))
    assert "has room for 4; raise --population" in fails([*QUICK, "--seed-subnets", named])
    assert not Path("studies.db").exists()


def test_warm_start_begins_with_the_front_of_the_other_study(
    cifar32: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main([*QUICK, "--study", "other", "--generations", "5"])
    with open_store(Path("studies.db")) as store:
        study = store.study("other")
        front = {one.genotype for one in study.front(store.evaluations("other"))}
    arguments = ["--objectives", "macs", "--population", "30", "--generations", "1", "--study", "mine"]
    run.main([*arguments, "--warm-start", "other"])
    taken = len(front - {cifar32.smallest(), cifar32.largest()})
    assert f"warm start: {taken} subnets of study 'other'" in capsys.readouterr().out
    asked = genotypes("mine")
    assert set(asked[: 2 + taken]) == front | {cifar32.smallest(), cifar32.largest()}
    assert len(set(asked)) == 30


def test_warm_start_stays_what_it_was_when_the_other_study_goes_on_or_is_gone() -> None:
    run.main([*QUICK, "--study", "other", "--db", "other.db", "--generations", "1", "--seed", "3"])
    arguments = [*QUICK[:-1], "random", "--study", "mine", "--warm-start", "other.db:other"]
    run.main([*arguments, "--db", "whole.db", "--generations", "4"])
    run.main([*arguments, "--db", "parts.db", "--evaluations", "2"])
    run.main([*QUICK, "--study", "other", "--db", "other.db", "--generations", "5", "--seed", "3"])
    run.main([*arguments, "--db", "parts.db", "--evaluations", "9"])
    Path("other.db").unlink()
    run.main([*arguments, "--db", "parts.db", "--generations", "4"])
    assert rows("parts.db") == rows("whole.db")
    without = arguments[:-2]
    assert "warm start other -> absent" in fails([*without, "--db", "parts.db"])


def test_preferences_are_part_of_the_study() -> None:
    arguments = [*QUICK[:-1], "rnsga2", "--study", "s", "--generations", "1"]
    run.main([*arguments, "--prefer", "lat=500us,params=100k"])
    run.main([*arguments, "--prefer", "params=100000, lat=0.5ms"])
    run.main([*arguments, *("--prefer", "params=100000, lat=0.5ms") * 2])
    assert "preferences lat=0.5ms,params=100000 -> lat=0.25ms" in fails(
        [*arguments, "--prefer", "lat=0.25ms"]
    )


def test_the_same_limits_are_the_same_study() -> None:
    arguments = [*QUICK[:-1], "random", "--study", "s", "--generations", "1"]
    family, lat, count = (
        ("--constraint", "family=cnn"),
        ("--constraint", "lat<=2ms"),
        ("--constraint", "vit_blocks>=0"),
    )
    run.main([*arguments, *family, *lat, *family])
    stored = load_study("studies.db", "s").study
    assert stored.constraints == ("family=cnn", "lat<=2ms")
    for same in ((*family, *lat), (*lat, *family), ("--constraint", "lat<=2000us", *lat, *family)):
        run.main([*arguments, *same])
    assert load_study("studies.db", "s").study == stored
    for other in (family, (*family, *lat, *count)):
        assert "constraints family=cnn, lat<=2ms -> " in fails([*arguments, *other])


def test_costs_have_a_logarithmic_scale_unless_the_study_has_another() -> None:
    arguments = [*QUICK[:-1], "random"]
    run.main([*arguments, "--generations", "1", "--study", "ratios"])
    run.main([*arguments, "--generations", "1", "--study", "shares", "--scale", "linear"])
    ratios, shares = (load_study("studies.db", name).study for name in ("ratios", "shares"))
    assert (ratios.scale, shares.scale) == ("log", "linear")
    assert all(ideal > 0 for ideal in ratios.ideal), "a cost of 0 has no logarithm"
    # A stored study keeps its scale; version 0.1.0 knew the linear one only and did not record it.
    assert "scale" not in shares.fingerprint
    for name in ("ratios", "shares"):
        run.main([*arguments, "--study", name, "--generations", "2"])
    assert "scale log -> absent" in fails([*arguments, "--study", "ratios", "--scale", "linear"])
    assert "scale absent -> log" in fails([*arguments, "--study", "shares", "--scale", "log"])


def test_a_window_is_the_box_of_the_study(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*QUICK[:-1], "random", "--generations", "1", "--study", "s"]
    run.main([*arguments, "--between", "lat=50us,5ms"])
    study = load_study("studies.db", "s").study
    assert (study.ideal[1], study.reference[1]) == (0.05, 5.0)
    assert study.cost_scales[1] == 0.01
    assert "hypervolume within lat=0.05ms,5ms, costs on a log scale" in (capsys.readouterr().out)
    assert "between lat=0.05" in fails([*arguments, "--between", "lat=50us,6ms"])
    assert "between lat=0.05" in fails(arguments)
    assert "objective with a window" in fails([*arguments, "--between", "energy=1mJ,2mJ"])


def test_a_sampler_that_needs_preferences_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*QUICK[:-1], "rnsga2", "--generations", "1"]
    run.main([*arguments, "--study", "without"])
    assert "note: rnsga2 needs --prefer" in capsys.readouterr().out
    run.main([*arguments, "--study", "with", "--prefer", "lat=500us"])
    assert "needs --prefer" not in capsys.readouterr().out


def test_each_rule_says_that_it_stopped_the_search(
    tiny_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (
        ["--generations", "2"],
        ["--evaluations", "8"],
        ["--minutes", "0.00001"],
        ["--patience", "1"],
    ):
        name = words[0].strip("-")
        run.main([*QUICK, "--space", str(tiny_path), *words, "--study", name])
        out = capsys.readouterr().out
        assert f"stopped by {words[0]} {float(words[1]):g}\n" in out
        assert out.count("stopped by") == 1
        with open_store(Path("studies.db")) as store:
            assert store.count(name) >= 6
    run.main([*QUICK, "--generations", "1"])
    assert "stopped by --generations 1\n" in capsys.readouterr().out


def test_first_rule_that_holds_stops_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    run.main([*QUICK, "--generations", "5", "--evaluations", "9", "--patience", "50", "--minutes", "60"])
    out = capsys.readouterr().out
    assert "until 5 generations or 9 evaluations or 60 minutes or 50 generations without gain" in out
    assert "stopped by --evaluations 9\n" in out
    assert len(rows("studies.db")) == 9


@pytest.mark.parametrize("name", [one for one in known_samplers() if one != "optuna-gp"])
@pytest.mark.parametrize("objectives", ["params", "sram,params,macs,energy,lat"])
def test_any_number_of_objectives_with_every_sampler(
    name: str, objectives: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main(["--objectives", objectives, "--population", "6", "--generations", "2", "--sampler", name])
    out = capsys.readouterr().out
    assert "Pareto front" in out
    assert (COST_SCOPE in out) == ("lat" in objectives)
    with open_store(Path("studies.db")) as store:
        (study,) = store.studies()
        assert study.objectives == tuple(objectives.split(","))
        # Every network comes with both of its mappings where latency and energy are asked for.
        networks = {study.network(each.genotype) for each in store.evaluations(study.name)}
        assert 6 <= len(networks) <= 12
        assert store.count(study.name) == len(networks) * max(1, len(study.chips.mapping))
        assert 0 < study.hypervolume(store.evaluations(study.name)) <= 1


@pytest.mark.parametrize(
    "limit",
    [
        "lat<=100us",
        "energy<=2uJ",
        "macs<=10M",
        "params<=200k",
        "sram<=64KiB",
        "conv_blocks<=8",
        "vit_blocks>=1",
    ],
)
def test_everything_countable_may_be_limited_and_is_reported(
    limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main(
        ["--objectives", "macs,params", "--population", "12", "--generations", "2", "--constraint", limit]
    )
    out = capsys.readouterr().out
    with open_store(Path("studies.db")) as store:
        (study,) = store.studies()
        found = store.evaluations(study.name)
    broken = sum(not one.is_feasible for one in found)
    assert broken > 0
    verb = "violates" if broken == 1 else "violate"
    assert f"{broken} of 24 subnets {verb} {study.constraints[0]}" in out


@pytest.mark.parametrize(
    ("arguments", "searched", "mapping"),
    [
        (["--objectives", "params,lat"], (), "latency"),
        (["--objectives", "params,energy"], (), "energy"),
        (["--objectives", "params,lat,energy"], ("mapping",), None),
        (["--objectives", "params,lat", "--constraint", "energy<=1mJ"], ("mapping",), None),
        (["--objectives", "params,power"], ("mapping",), None),
        (["--objectives", "params,lat,energy", "--mapping", "edp"], (), "edp"),
        # Without macros there is nothing to choose.
        (["--objectives", "params,lat,energy", "--hardware", "u55-256"], (), "latency"),
        (["--objectives", "params,lat,energy", "--macros", "0"], (), "latency"),
        (["--objectives", "params,lat", "--search-hardware", "macros=0,8"], ("macros",), "latency"),
        (["--objectives", "params,lat", "--search-hardware", "mapping=latency,energy"], ("mapping",), None),
        (["--objectives", "lat,energy", "--search-hardware", "macros=0,8"], ("macros", "mapping"), None),
    ],
)
def test_the_mapping_follows_the_objectives(
    arguments: Sequence[str], searched: tuple[str, ...], mapping: str | None
) -> None:
    run.main([*arguments, "--study", "s", "--population", "4", "--generations", "1"])
    study = load_study("studies.db", "s").study
    assert study.hardware_choices == searched
    assert mapping_of(study) == mapping
    # The settings say what the user said, so that the same command resumes the study.
    run.main([*arguments, "--study", "s", "--population", "4", "--generations", "2"])


def test_a_network_mapped_for_latency_and_for_energy_is_two_designs(cifar32: Space) -> None:
    arguments = ["--objectives", "params,lat,energy", "--study", "s", "--generations", "3"]
    run.main([*arguments, "--hardware", "u55-256-cim8"])
    loaded = load_study("studies.db", "s")
    study = loaded.study
    # Every network comes with both mappings.
    genotypes = {evaluation.genotype for evaluation in loaded.measured}
    assert all(sibling in genotypes for one in genotypes for sibling in study.search_space.siblings(one))
    assert len(genotypes) == len(loaded.measured) == 2 * len({study.network(one) for one in genotypes})
    for mapping in ("latency", "energy"):
        mapped = [one for one in loaded.measured if study.chip(one.genotype).mapping == mapping]
        subnets = [cifar32.decode(study.network(one.genotype)) for one in mapped]
        latency, energy = network_totals(CostModel(load_soc("u55-256-cim8"), mapping), subnets)
        assert [one.values[1:] for one in mapped] == list(zip(latency, energy, strict=True))
        assert cost_model(study, study.chip(mapped[0].genotype)).mapper.name == mapping


def test_networks_that_exceed_the_sram_of_the_chip_are_infeasible(tmp_path: Path) -> None:
    small = Path("small.yaml")
    small.write_text(
        "base: u55-256\nname: small\ndescription: little SRAM\nmemory:\n"
        "  sram_capacity: {value: 0.03125, unit: MiB, low: 0.03125, high: 1, source: test}\n"
    )
    arguments = ["--objectives", "params,lat", "--hardware", str(small), "--study", "s"]
    run.main([*arguments, "--constraint", "sram<=chip", "--generations", "2"])
    loaded = load_study("studies.db", "s")
    assert loaded.study.constraints == ("sram<=32768B",)
    too_large = [one for one in loaded.measured if (one.limited[0] or 0) > 32768]
    assert too_large
    assert [one for one in loaded.measured if not one.is_feasible] == too_large
    # The same command resumes the study.
    run.main([*arguments, "--constraint", "sram<=chip", "--generations", "3"])


def test_racing_takes_one_mapping() -> None:
    settings = StudySettings(objectives=("acc", "lat", "energy"), racing=True)
    assert check(settings, Path("studies.db")).chips.given.mapping == "latency"
    settings = StudySettings(objectives=("acc", "energy"), racing=True)
    assert check(settings, Path("studies.db")).chips.given.mapping == "energy"


@pytest.mark.slow
@pytest.mark.parametrize("sampler", known_samplers())
def test_every_sampler_proposes_a_network_with_all_its_mappings(sampler: str, tiny_path: Path) -> None:
    # Few genes: a Gaussian process takes seconds for each design of a large space.
    arguments = ["--objectives", "params,lat,energy", "--sampler", sampler, "--study", "s"]
    arguments += ["--space", str(tiny_path)]
    preferred = ["--prefer", "lat=0.1ms"] if sampler == PREFERRING else []
    run.main([*arguments, *preferred, "--population", "6", "--generations", "2"])
    loaded = load_study("studies.db", "s")
    space = loaded.study.search_space
    genotypes = {evaluation.genotype for evaluation in loaded.measured}
    assert all(sibling in genotypes for one in genotypes for sibling in space.siblings(one))
    # Run again from the table: the sampler asks for the same.
    run.main([*arguments, *preferred, "--population", "6", "--generations", "3"])
    assert {each.genotype for each in load_study("studies.db", "s").measured} > genotypes
