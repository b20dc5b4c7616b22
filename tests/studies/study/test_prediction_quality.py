from __future__ import annotations

from studies.study.prediction_quality import GenerationReport, summary


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
