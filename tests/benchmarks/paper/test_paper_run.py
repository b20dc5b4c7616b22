"""The whole protocol in small: two chips with macros, two seeds, few images."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.paper import __main__ as paper
from benchmarks.paper import campaign, protocol, searches
from benchmarks.paper.comparison import fronts, primary_values
from benchmarks.paper.tables import digits_of, number
from objectives.hardware import load_soc
from objectives.hardware.soc import with_value
from search_space.command.command_line import Parser
from search_space.space import load_space
from studies import validate
from studies.storage.store import open_store
from supernet.accuracy.single_thread import single_thread
from tests.benchmarks.conftest import EVALUATIONS, TEST_IMAGES, page_of, small_options
from tests.command import Command
from tests.command_words import replaced
from tests.docs.pages import parse_page

pytestmark = pytest.mark.slow


def names(folder: Path) -> list[str]:
    with open_store(folder / "results.db") as store:
        return [study.name for study in store.studies()]


def test_one_study_for_each_chip_cost_and_seed(small_run: Path) -> None:
    found = [re.sub(r"-[0-9a-f]{8}$", "", name) for name in names(small_run)]
    expected = [
        f"{chip}-{cost}-s{seed}"
        for seed in (1, 2)
        for cost in ("lat", "energy")
        for chip in ("u55-256", "u55-256-cim8", "u55-256-cim8x4")
    ]
    assert sorted(found) == sorted([*expected, *(f"u55-256-cim8-random-lat-s{seed}" for seed in (1, 2))])
    with open_store(small_run / "results.db") as store:
        for study in store.studies():
            assert store.count(study.name) == EVALUATIONS
            assert study.settings["precision"] == "int8"
            assert study.settings["mapping"] == ("energy" if "energy" in study.objectives else "latency")
            assert study.constraints == ("sram<=1048576B",)
        starts = {
            study.fingerprint["seed"]: set[Any]() for study in store.studies() if "random" not in study.name
        }
        for study in store.studies():
            if "random" not in study.name:
                first = store.evaluations(study.name)[:24]
                starts[study.fingerprint["seed"]].add(tuple(one.genotype for one in first))
    # The same seed begins with the same networks on every chip.
    assert [len(one) for one in starts.values()] == [1, 1]


Points = list[tuple[float, float]]


def validated(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> Points:
    """Cost and test accuracy of each network on the front of a study, by `studies.validate`."""
    capsys.readouterr()
    with single_thread():  # several threads round differently
        validate.main(["--db", str(folder / "results.db"), "--study", name, "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["test_images"] == TEST_IMAGES
    cost = "energy" if "-energy-" in name else "lat"
    return [(one[cost], one["test_acc"]) for one in record["subnets"]]


def saved(chip: Points, base: Points) -> list[float]:
    """The protocol's saving on its grid, by loops."""
    top = math.floor(4 * min(max(accuracy for _, accuracy in one) for one in (chip, base))) / 4
    grid = [top - step / 4 for step in range(41)]
    return [100 * (1 - cheapest(chip, wanted) / cheapest(base, wanted)) for wanted in grid]


def cheapest(front: Points, wanted: float) -> float:
    return min(cost for cost, accuracy in front if accuracy >= wanted)


def test_the_page_tells_what_follows_from_validated_fronts(
    small_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_name = {re.sub(r"-[0-9a-f]{8}$", "", name): name for name in names(small_run)}
    text = (small_run / "results.md").read_text()
    for cost, row in (
        ("lat", "latency saved at equal accuracy"),
        ("energy", "energy saved at equal accuracy"),
    ):
        by_seed = [
            saved(*(validated(small_run, by_name[f"{chip}-{cost}-s{seed}"], capsys) for chip in pair))
            for seed in (1, 2)
            for pair in [("u55-256-cim8", "u55-256")]
        ]
        for name, value in (("mean", np.mean(by_seed)), ("most", np.max(by_seed, axis=1).mean())):
            assert f"| {row}, {name} | `u55-256-cim8` |" in text
            cell = next(line for line in text.splitlines() if line.startswith(f"| {row}, {name} |"))
            assert cell.split("|")[4].split()[0] == f"{value:.1f}"


def test_the_page(small_run: Path) -> None:
    text = (small_run / "results.md").read_text()
    page = parse_page("results.md", text)
    pictures = [target for _, target in page.links if target.endswith(".svg")]
    assert [(small_run / target).is_file() for target in pictures] == [True] * 4
    # The command stands under each figure, and once for the page.
    assert [text for _, text in page.commands() if "benchmarks.paper" in text]
    assert sum("benchmarks.paper" in block.content for block in page.blocks) == 5
    assert text.index("primary figures have the sign of the paper.") < text.index("## Primary figures")
    assert "**This run departs from the protocol**: space small instead of cifar32;" in text
    for chip in ("u55-256", "u55-256-cim8", "u55-256-cim8x4"):
        assert load_soc(chip).digest in text
    titles = [row[0] for row in page.tables[0][1:]]
    assert titles == [figure.title for figure in protocol.PRIMARY]
    assert {row[-1] for row in page.tables[0][1:]} <= {"agrees", "agrees in sign", "disagrees"}
    assert "nan" not in text
    assert "inf" not in re.sub(r"inference|influen", "", text)


def test_the_command_resumes(small_run: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is searched or scored again, and the page is the same."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    text = (small_run / "results.md").read_text()
    monkeypatch.setattr(searches, "run_study", never)
    monkeypatch.setattr("benchmarks.paper.answers.Answers.__call__", never)
    monkeypatch.setattr(
        paper,
        "parse_run",
        lambda _: protocol.Run(("u55-256-cim8", "u55-256-cim8x4"), (1, 2), EVALUATIONS, resamples=200),
    )
    ended = command(paper.main, *small_options(small_run), *page_of(small_run))
    assert ended.code == 0
    assert ended.out == f"wrote {small_run / 'results.md'}: {EVALUATIONS} evaluations in each search\n"

    def without_command(page: str) -> str:
        return re.sub(r"(?m)^    python -m .*$", "", page)

    assert without_command((small_run / "results.md").read_text()) == without_command(text)


def test_the_stop_rule_on_real_searches(small_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Primary figures after three quarters and after all evaluations, from searches that exist already."""
    monkeypatch.setattr(campaign, "budgets", lambda: (20, EVALUATIONS))
    monkeypatch.setattr(campaign, "MOST_EVALUATIONS", EVALUATIONS)
    parser = Parser()
    campaign.add_options(parser)
    options = parser.parse_args(small_options(small_run))
    run = protocol.Run(campaign.parse_run(options).chips, (1, 2))
    with campaign.campaign(options, run) as at:
        before, after = at.values_at(EVALUATIONS)
        found = at.budget()
        at_20 = at.values_at(20)
    assert found.evaluations == (20 if protocol.has_settled(*at_20) else EVALUATIONS)
    assert at_20[1] != after
    text = (small_run / "results.md").read_text()
    rows = {row[0]: row[3] for row in parse_page("results.md", text).tables[0][1:]}
    for figure, value in zip(run.primary, after, strict=True):
        assert rows[figure.title].split()[0] == number(value, digits_of(figure.measure))
    # 15 of 20 evaluations and 22 of 30 are three quarters of them, rounded.
    found_22 = fronts(at.searched(run.primary_hardware, EVALUATIONS), at.scores, resamples=0,
                      images=TEST_IMAGES, evaluations=22)  # fmt: skip
    assert np.array_equal(primary_values(run, found_22), before, equal_nan=True)


def test_a_changed_chip_begins_new_studies(small_inputs: Path) -> None:
    """Numbers of the chip are part of the name of a study, so runs of another chip are void."""
    at = searches.Searches(
        database=small_inputs / "results.db",
        space=load_space(str(small_inputs / "small.yaml")),
        checkpoint=small_inputs / "net.safetensors",
        data=None,
        val_images=None,
        workers=1,
        device="cpu",
        notify=print,
    )
    one, soc = searches.Search("u55-256-cim8", "lat", 1), load_soc("u55-256-cim8")
    assert at.name(one, soc) == at.name(one, load_soc("u55-256-cim8"))
    others = [at.name(one, with_value(soc, "cim.input_lanes", 8)), at.name(replace(one, cost="energy"), soc)]
    others.append(replace(at, checkpoint=small_inputs / "small.yaml").name(one, soc))
    assert len({name[-8:] for name in [at.name(one, soc), *others]}) == 4


def test_an_unknown_chip_stops_the_command_before_anything_runs(
    command: Command, small_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(protocol.PAIRS, "u55-256-absent", "u55-256")
    given = ["--db", str(tmp_path / "new.db"), "--out", str(tmp_path / "new.md")]
    ended = command(paper.main, *given, "--chips", "u55-256-cim8,u55-256-absent")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: unknown hardware 'u55-256-absent': must be one of ")
    assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_missing_test_images(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command(paper.main, "--out", "new.md", "--chips", "u55-256-cim8")
    assert ended.code == 2
    assert "--data is missing: the repository holds search images only" in ended.err
    assert "python -m supernet.data cifar10" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_wrong_options(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, words in (
        (("--seeds", "one"), "--seeds must be whole numbers"),
        (("--evaluations", "1"), "--evaluations must be at least 2, but got 1"),
        (("--out", "absent/x.md"), "the folder absent does not exist"),
        (("--out", "x.txt"), "--out must end in .md, but got 'x.txt'"),
        (("--chips", "u55-256-cim1"), "--chips must include u55-256-cim8"),
    ):
        ended = command(paper.main, *replaced(("--chips", "u55-256-cim8"), given))
        assert ended.code == 2
        assert words in ended.err
        assert ended.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
