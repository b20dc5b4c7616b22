from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.search import accuracy_table
from benchmarks.search.accuracy_table import AccuracyTable, fit_stand_in
from benchmarks.search.surrogate_savings import Bench, Trace, summary, trace
from search_space.genotype import Genotype
from search_space.space import load_space
from studies.samplers import virtual_search

SPACE = load_space("cifar32")


def test_table_holds_canonical_networks_of_the_space() -> None:
    table = AccuracyTable.load()
    assert len(table.values) == 1248
    assert all(SPACE.canonical(genotype) == genotype for genotype in table.values)
    assert all(10 < value < 100 for value in table.values.values())
    assert len(table.checkpoint) == 64
    assert {SPACE.smallest(), SPACE.largest()} <= set(table.values)


def test_stand_in_is_near_what_was_measured_and_gives_a_network_one_accuracy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accuracy_table, "MEMBERS", 1)
    monkeypatch.setattr(accuracy_table, "EPOCHS", 150)
    table = AccuracyTable.load()
    few = dict(list(table.values.items())[::6])
    stand_in = fit_stand_in(SPACE, AccuracyTable(table.checkpoint, few))
    assert 0.5 < stand_in.error < 3
    assert stand_in.rank_correlation > 0.7
    asked = list(few)[:50]
    found = stand_in.accuracy(asked)
    assert np.abs(found - [few[one] for one in asked]).mean() < 2 * stand_in.error
    assert stand_in.accuracy(asked[7:9]) == pytest.approx(found[7:9], abs=1e-9)


def test_trace_counts_every_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)
    bench = Bench.of("cifar32", "u55-256-cim8")

    def accuracy(genotypes: Sequence[Genotype]) -> np.ndarray:
        return np.array([50 + sum(genotype) / 4 for genotype in genotypes])

    found = trace(bench, "surrogate", accuracy, seed=0, evaluations=72)
    assert len(found.hypervolumes) == 72
    assert (np.diff(found.hypervolumes) >= 0).all()
    assert len(found.correlations) == 2
    short = trace(bench, "surrogate", accuracy, seed=0, evaluations=72, until=found.hypervolumes[30])
    assert short.hypervolumes == found.hypervolumes[:48]


def test_evaluations_to_reach() -> None:
    assert Trace([0.1, 0.3, 0.3, 0.5], [], []).to_reach(0.3) == 2
    assert Trace([0.1], [], []).to_reach(0.3) is None


def test_summary_of_seeds_by_hand() -> None:
    def row(to_reach: int | None, gain: float) -> dict[str, object]:
        volumes = {"surrogate": 0.5 + gain, "nsga2": 0.5}
        return {
            "to_reach": to_reach,
            "rank_correlation": 0.5,
            "seconds_per_generation": 1.0,
            "hypervolume_200": volumes,
            "hypervolume_250": volumes,
        }

    found = summary([row(100, 0.1), row(200, 0.2), row(300, 0.3), row(400, -0.05), row(None, 0.25)])
    assert found["to_reach"] == {"median": 300, "most": None, "wanted": 250}
    assert found["share_within_wanted"] == pytest.approx(0.4)
    assert found["ahead"]["200"]["share"] == pytest.approx(0.8)
    assert found["ahead"]["200"]["mean_gain"] == pytest.approx(0.16)
    # The only loss is the smallest difference: rank sums up to 1 have 2 of 32 sign patterns.
    assert found["ahead"]["200"]["wilcoxon_p"] == pytest.approx(2 / 32)
