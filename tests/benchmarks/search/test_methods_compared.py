from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from benchmarks.search import methods_compared as search
from benchmarks.search.accuracy_table import StandIn
from benchmarks.search.methods_compared import (
    EVALUATIONS,
    Record,
    comparisons,
    main,
    searched,
    signed_ranks,
    summary,
)
from benchmarks.search.search_methods import start
from benchmarks.search.surrogate_savings import Bench
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.genotype import Genotype
from tests.command_words import replaced

QUICK = ("--methods", "nsga2,random,pymoo-nsga2-24", "--seeds", "2", "--evaluations", "60,30")


class Tiny:
    """A closed form that notes what it was asked for; it fails after `left` of them."""

    def __init__(self, left: float = np.inf) -> None:
        self.asked: list[Genotype] = []
        self.left = left

    def __call__(self, genotypes: Sequence[Genotype]) -> Floats:
        self.asked += genotypes
        if len(self.asked) > self.left:
            raise KeyboardInterrupt
        return np.array([50 + sum(genotype) / 4 for genotype in genotypes])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "search.db"


def run(
    tiny: Tiny, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> dict[str, Any]:
    monkeypatch.setattr(search, "fit_stand_in", lambda *_: StandIn(tiny, 0.5, 0.9))
    main(replaced([*QUICK, "--json", "--cache", str(cache)], more))
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_stopped_benchmark_goes_on_and_finished_searches_are_kept(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(Tiny(left=150), cache, monkeypatch, capsys)
    again = Tiny()
    result = run(again, cache, monkeypatch, capsys)
    # 120 were those of the first method, which had been finished.
    assert 120 < len(again.asked) <= 240
    assert run(Tiny(left=0), cache, monkeypatch, capsys) == result
    assert result["accuracies"] == {
        "kind": "stand-in",
        "cross_validated": {"error": 0.5, "rank_correlation": 0.9},
    }
    assert result["evaluations"] == [30, 60]
    assert [(one["method"], one["seed"]) for one in result["runs"]] == [
        (method, seed) for method in ("nsga2", "random", "pymoo-nsga2-24") for seed in (0, 1)
    ]
    for one in result["runs"]:
        assert 0 < one["hypervolumes"][0] <= one["hypervolumes"][1] < 1
        assert one["repeated"] == 0 or one["method"] != "nsga2"
    assert [(one["rival"], one["evaluations"]) for one in result["comparisons"]] == [
        ("random", 30),
        ("random", 60),
        ("pymoo-nsga2-24", 30),
        ("pymoo-nsga2-24", 60),
    ]
    # Another seed: only its searches are new.
    more = Tiny()
    longer = run(more, cache, monkeypatch, capsys, "--seeds", "3")
    assert len(more.asked) <= 180
    assert [one for one in longer["runs"] if one["seed"] < 2] == result["runs"]
    # Other code may search in another way.
    monkeypatch.setattr(search, "code_digest", lambda: "changed")
    changed = Tiny()
    run(changed, cache, monkeypatch, capsys)
    assert len(changed.asked) > 300


def test_tables_for_people(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(search, "fit_stand_in", lambda *_: StandIn(Tiny(), 0.5, 0.9))
    main([*QUICK, "--cache", str(cache)])
    shown, progress = capsys.readouterr()
    assert "accuracies of the stand-in, 0.50 points off" in shown
    assert len(re.findall(r"nsga2 +│ pymoo-nsga2-24 +│ +\d\d │", shown)) == 2
    assert progress.count("60 of 60 evaluations for 2 seeds") == 3


def test_searches_side_by_side_are_those_that_run_alone_and_count_what_repeats() -> None:
    bench, console = Bench.of("cifar32", "u55-256-cim8"), Console(quiet=True)
    settings: dict[str, Any] = {"evaluations": (10, 40), "console": console}
    both = searched("random", bench, Tiny(), seeds=(0, 1), **settings)
    alone = [searched("random", bench, Tiny(), seeds=(seed,), **settings)[0] for seed in (0, 1)]
    for one, other in zip(both, alone, strict=True):
        assert (one.seed, one.hypervolumes, one.repeated) == (other.seed, other.hypervolumes, other.repeated)
    # By the study's own front and hypervolume.
    drawn = [bench.space.canonical(one) for one in next(start("random", bench, 0))]
    rows = bench.evaluations(drawn, bench.values(drawn, Tiny()(drawn)), 0)
    assert both[0].hypervolumes[0] == pytest.approx(bench.study.hypervolume(rows[:10]), rel=1e-12)


def test_search_that_has_nothing_left_to_ask_for_ends_and_repeats_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench.of("cifar32", "u55-256-cim8")

    def short(*_: object) -> Any:
        yield [bench.space.smallest(), bench.space.largest(), bench.space.smallest()]

    monkeypatch.setattr(search, "start", short)
    (found,) = searched("short", bench, Tiny(), seeds=(0,), evaluations=(2, 50), console=Console(quiet=True))
    assert found.repeated == 1
    assert found.hypervolumes[0] == found.hypervolumes[1] > 0


def test_signed_ranks_by_hand() -> None:
    # Ranks 1 to 5; the only loss is the smallest difference: 2 of 32 sign patterns are as good.
    found = signed_ranks(np.array([0.1, 0.2, 0.3, -0.05, 0.25]))
    assert found == {
        "ahead": pytest.approx(0.8),
        "mean_gain": pytest.approx(0.16),
        "p": pytest.approx(2 / 32),
        "effect": pytest.approx((14 - 1) / 15),
    }
    assert signed_ranks(np.zeros(3)) == {"ahead": 0.0, "mean_gain": 0.0, "p": 1.0, "effect": 0.0}


def test_summary_and_comparisons_by_hand() -> None:
    def record(method: str, seed: int, first: float, second: float) -> Record:
        return Record(method, seed, (first, second), repeated=seed, choosing_s=1.0)

    found = [record("nsga2", seed, 0.5 + seed / 10, 0.9) for seed in range(3)]
    found += [record("random", seed, 0.5, 0.9) for seed in range(3)]
    row = summary(found, EVALUATIONS)[0]
    assert row["hypervolume"]["200"] == {"median": pytest.approx(0.6), "least": 0.5, "most": 0.7}
    assert row["repeated"] == 1.0
    first, second = comparisons(found, EVALUATIONS)
    assert first["mean_gain"] == pytest.approx(0.1)
    assert (first["p"], first["holm_p"]) == (pytest.approx(1 / 4), pytest.approx(2 / 4))
    assert (second["p"], second["effect"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--methods", "nsga2,best"), "unknown method 'best'"),
        (("--evaluations", "200,0"), "--evaluations must be positive integers"),
        (("--evaluations", ""), "--evaluations must be positive integers"),
        (("--seeds", "0"), "--seeds must be at least 1"),
        (("--val-images", "256"), "--val-images is for measured accuracies"),
        (("--accuracies", "measured", "--workers", "0"), "--workers must be at least 1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_made(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(H4HError, match=re.escape(message)):
        main([*arguments, "--cache", str(tmp_path / "none.db")])
    assert list(tmp_path.iterdir()) == []
