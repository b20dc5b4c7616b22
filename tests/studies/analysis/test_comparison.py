"""Comparisons of small studies whose every number can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from studies.analysis.comparison import blocks, compare, coverage
from studies.analysis.contenders import ComparisonError, Contender, aligned
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study

Make = Callable[..., Evaluation]


@pytest.fixture
def first(study: Study, evaluation: Make) -> Contender:
    rows = [evaluation(0, 50.0, 1.0), evaluation(1, 70.0, 3.0), evaluation(2, 90.0, 9.0)]
    return Contender("first", study, tuple(rows))  # the last one breaks lat<=8ms


@pytest.fixture
def second(study: Study, evaluation: Make) -> Contender:
    rows = [
        evaluation(0, 40.0, 1.0),
        evaluation(1, 80.0, 2.0),
        evaluation(2, 30.0, 2.0),
        evaluation(3, 80.0, 2.0),
    ]
    return Contender("second", replace(study, name="second"), tuple(rows))


def test_a_pair_in_closed_form(first: Contender, second: Contender) -> None:
    pair = compare(first, second)
    assert (pair.a, pair.b, pair.objectives) == ("first", "second", ("acc", "lat"))
    assert pair.evaluations == 3
    # Box: accuracy 0 to 100, latency 10 to 0.
    assert pair.hypervolume_a == pytest.approx(0.5 * 0.2 + 0.7 * 0.7)
    assert pair.hypervolume_b == pytest.approx(0.4 * 0.1 + 0.8 * 0.8)
    assert pair.coverage_ab == pytest.approx(1 / 3)  # (40, 1) by (50, 1); the two of (80, 2) by none
    assert pair.coverage_ba == 0.5
    gained = pair.acc_at_equal_lat
    assert gained is not None
    assert gained.range == (1, 2)
    # 40 to 80 against 50 to 60.
    assert [gained.mean, gained.max] == pytest.approx([5, 20])
    saved = pair.lat_at_equal_acc
    assert saved is not None
    assert saved.range == (50, 70)
    assert saved.max == pytest.approx(100 * (1 - 1.75 / 3))
    assert pair.acc_at_equal_energy is None
    assert pair.notes == ("acc against energy needs both objectives in both studies",)


def test_only_what_both_have_is_compared(first: Contender, second: Contender) -> None:
    goals = (Goal("lat", "ms", "min"), Goal("params", "parameters", "min"), Goal("acc", "%", "max"))
    rows = [replace(one, values=(one.values[1], 10.0, one.values[0])) for one in second.evaluations]
    wider = Contender(
        "wider",
        replace(
            second.study,
            goals=goals,
            ideal=(0.5, 0.0, 95.0),
            reference=(20.0, 99.0, 10.0),
            space_definition={"name": "other"},
            constraints=(),
            fingerprint={"hardware_digest": "x" * 64},
        ),
        tuple(rows),
    )
    pair, same = compare(first, wider), compare(first, second)
    assert pair.objectives == ("acc", "lat")
    assert (pair.coverage_ab, pair.acc_at_equal_lat) == (same.coverage_ab, same.acc_at_equal_lat)
    # One box for both: accuracy 0 to 100, latency 20 to 0.
    assert pair.hypervolume_a == pytest.approx((0.5 * 2 + 0.7 * 17) / 20)
    assert pair.hypervolume_b == pytest.approx((0.4 * 1 + 0.8 * 18) / 20)
    text = " | ".join(pair.notes)
    for part in (
        "left out: params [parameters, min] of wider",
        "different spaces",
        "different constraints: lat<=8ms and none",
        "different hardware: none and xxxxxxxxxxxx",
        "different bounds",
    ):
        assert part in text


def test_nothing_in_common_is_an_error(first: Contender) -> None:
    other = replace(
        first.study, goals=(Goal("lat", "s", "min"),), constraints=(), ideal=(0.0,), reference=(1.0,)
    )
    rows = tuple(replace(one, values=(1.0,), limited=()) for one in first.evaluations)
    with pytest.raises(ComparisonError, match=r"no objective in common .*lat \[ms, min\].*lat \[s, min\]"):
        compare(first, Contender("other", other, rows))


def test_without_a_feasible_subnet(first: Contender, study: Study, evaluation: Make) -> None:
    nothing = Contender("nothing", study, (evaluation(0, None, 9.0),))
    pair = compare(first, nothing)
    assert (pair.hypervolume_b, pair.coverage_ab, pair.coverage_ba) == (0.0, None, 0.0)
    assert pair.acc_at_equal_lat is None
    assert "nothing has no feasible subnet" in pair.notes
    assert blocks(nothing.front).conv is None


def test_fronts_that_share_no_latency(first: Contender, study: Study, evaluation: Make) -> None:
    slow = Contender("slow", study, (evaluation(0, 95.0, 7.0),))
    pair = compare(first, slow)
    assert pair.acc_at_equal_lat is None
    assert pair.lat_at_equal_acc is None
    assert "no lat is covered by both fronts" in pair.notes


def test_study_against_itself(first: Contender) -> None:
    pair = compare(first, first)
    assert pair.hypervolume_a == pair.hypervolume_b
    assert pair.coverage_ab == pair.coverage_ba == 1.0
    assert pair.acc_at_equal_lat is not None
    assert (pair.acc_at_equal_lat.mean, pair.acc_at_equal_lat.max) == (0.0, 0.0)


def test_blocks_of_a_front(first: Contender, evaluation: Make) -> None:
    front = [
        replace(evaluation(0, 1.0, 1.0), conv_blocks=10, vit_blocks=2, family="mixed"),
        replace(evaluation(1, 1.0, 1.0), conv_blocks=5, vit_blocks=0, family="cnn"),
        replace(evaluation(2, 1.0, 1.0), conv_blocks=5, vit_blocks=4, family="mixed"),
    ]
    found = blocks(front)
    assert found.conv is not None
    assert [found.conv.mean, found.conv.min, found.conv.max] == pytest.approx([20 / 3, 5, 10])
    assert found.vit_per_10_conv == 3.0
    assert found.families == {
        "cnn": pytest.approx(1 / 3),
        "vit": 0,
        "cnn-then-vit": 0,
        "mixed": pytest.approx(2 / 3),
        "none": 0,
    }
    assert blocks([replace(front[0], conv_blocks=0)]).vit_per_10_conv is None


def test_more_than_two_in_one_box(first: Contender, second: Contender) -> None:
    far = replace(second.study, ideal=(100.0, 0.0), reference=(0.0, 40.0))
    box = {
        (one.study.ideal, one.study.reference) for one in aligned([first, second, replace(second, study=far)])
    }
    assert box == {((100.0, 0.0), (0.0, 40.0))}
    assert coverage(first, first) == 1.0
