from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from studies.analysis.why_not import why_not, why_not_lines, why_not_record
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]


@pytest.fixture
def limited(study: Study) -> Study:
    return replace(study, constraints=("lat<=8ms", "macs<=50"))


@pytest.fixture
def rows(evaluation: Make) -> list[Evaluation]:
    """Three networks: one in time, one nearly small enough, one that is neither and has no latency."""
    values = [((6.0, 100.0)), ((10.0, 55.0)), ((None, 80.0))]
    return [
        replace(evaluation(index, 50.0, 1.0), values=(None, lat), limited=(lat, macs), is_feasible=False)
        for index, (lat, macs) in enumerate(values)
    ]


def test_each_limit_with_demand_reach_and_gap(limited: Study, rows: list[Evaluation]) -> None:
    answer = why_not(limited, rows)
    assert answer is not None
    lat, macs = answer.reaches
    assert (lat.reached, lat.gap, lat.satisfied, lat.measured) == (6.0, 0.0, 1, 2)
    assert (macs.reached, macs.gap, macs.satisfied, macs.measured) == (55.0, 5.0, 0, 3)
    assert answer.binding is macs
    # Largest violations: 100/50 - 1 = 1.0 of network 0, and max(10/8, 55/50) - 1 = 0.25 of network 1.
    assert answer.nearest is not None
    assert answer.nearest.evaluation.index == 1
    assert list(map(str, answer.nearest.limits)) == ["lat<=10ms", "macs<=55"]
    for limit, value in zip(answer.nearest.limits, rows[1].limited, strict=True):
        assert limit.violation(value) <= 0


def test_the_answer_as_text_and_as_json(limited: Study, rows: list[Evaluation]) -> None:
    answer = why_not(limited, rows)
    assert answer is not None
    assert why_not_lines(answer) == [
        "no network satisfies all limits:",
        "  lat<=8ms: 1 of 2 networks satisfy it, nearest value 6 ms",
        "  macs<=50: 0 of 3 networks satisfy it, nearest value 55, short by 5",
        "  macs<=50 binds first",
        "  nearest network: id 1; lat<=10ms and macs<=55 would admit it",
    ]
    record = json.loads(json.dumps(why_not_record(answer), allow_nan=False))
    assert record["binds_first"] == "macs<=50"
    assert record["limits"][0] == {
        "limit": "lat<=8ms",
        "demand": 8.0,
        "reached": 6.0,
        "gap": 0.0,
        "unit": "ms",
        "satisfied": 1,
        "measured": 2,
    }
    assert record["nearest"] == {"id": 1, "admitted_by": ["lat<=10ms", "macs<=55"]}


def test_a_quantity_that_was_never_measured(limited: Study, rows: list[Evaluation]) -> None:
    answer = why_not(limited, [replace(rows[2], limited=(None, 80.0))])
    assert answer is not None
    assert (answer.reaches[0].reached, answer.reaches[0].gap, answer.nearest) == (None, None, None)
    assert "  lat<=8ms: measured for no network, because all break another limit" in why_not_lines(answer)


def test_there_is_nothing_to_explain(study: Study, limited: Study, evaluation: Make) -> None:
    assert why_not(study, [evaluation(0, 50.0, 1.0)]) is None  # A feasible network.
    assert why_not(limited, []) is None
    assert why_not(replace(study, constraints=()), [evaluation(0, 50.0, 9.0)]) is None


@pytest.mark.parametrize(
    ("lat", "text"),
    [(2.7199482731897815, "lat<=2.72ms"), (10.00001, "lat<=10.01ms"), (12345.6, "lat<=12350ms")],
)
def test_a_limit_that_would_admit_a_network_has_four_digits_and_admits_it(
    study: Study, evaluation: Make, lat: float, text: str
) -> None:
    row = replace(evaluation(0, 50.0, 1.0), values=(None, lat), limited=(lat,), is_feasible=False)
    answer = why_not(replace(study, constraints=("lat<=0.1ms",)), [row])
    assert answer is not None
    assert answer.nearest is not None
    (limit,) = answer.nearest.limits
    assert str(limit) == text
    assert limit.violation(lat) <= 0


def test_a_lower_limit_is_rounded_down(study: Study, evaluation: Make) -> None:
    row = replace(
        evaluation(0, 71.23456, 1.0), values=(71.23456, 1.0), limited=(71.23456,), is_feasible=False
    )
    answer = why_not(replace(study, constraints=("acc>=90%",)), [row])
    assert answer is not None
    assert answer.nearest is not None
    assert list(map(str, answer.nearest.limits)) == ["acc>=71.23%"]
