from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from studies.study.prediction_quality import GenerationReport, kendall, summary


def test_summary_says_how_well_was_predicted_and_when_not_at_all() -> None:
    reports = [
        GenerationReport("random", None),
        GenerationReport("surrogate", 0.812),
        GenerationReport("surrogate", 0.1),
        GenerationReport("nsga2", 0.5),
    ]
    assert summary(reports) == [
        "surrogate: rank correlation by generation 0.81 0.10 0.50",
        "surrogate not trusted, plain NSGA-II instead in generation 4",
    ]
    assert str(reports[1]) == "surrogate, rank correlation 0.81"
    assert str(reports[0]) == "random"


def test_summary_without_predictions() -> None:
    assert summary([]) == []
    exact = [GenerationReport("random", None), GenerationReport("exact", None)]
    assert summary(exact) == ["surrogate: nothing to predict, NSGA-II on exact values"]
    assert summary(exact[:1]) == ["surrogate: too few networks to predict"]


def test_closed_form() -> None:
    values = np.arange(5.0)
    assert kendall(values, values**3) == 1
    assert kendall(values, -values) == -1
    # 2 of 10 pairs the other way round: (8 - 2) / 10.
    assert kendall(values, np.array([1.0, 0.0, 2.0, 4.0, 3.0])) == pytest.approx(0.6)


def test_what_has_no_order_says_nothing() -> None:
    assert kendall(np.ones(4), np.arange(4.0)) == 0
    assert kendall(np.arange(1.0), np.arange(1.0)) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=30))
@settings(deadline=None)
def test_agrees_with_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=np.float64).T
    if len(set(first)) > 1 and len(set(second)) > 1:
        assert kendall(first, second) == pytest.approx(kendalltau(first, second).statistic, abs=1e-12)
