from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import pytest

from studies.analysis.front_certainty import front_certainty, tie_lines
from studies.study.accuracy_errors import SHARED_LUCK
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]
IMAGES = 10_000
"""At 50 % an accuracy has an error of 0.5 points; a difference of two, 0.5 points where they share half."""


@pytest.fixture
def scored(study: Study) -> Study:
    return replace(study, fingerprint={"val_images": str(IMAGES)})


def certainty_of(study: Study, rows: list[Evaluation]) -> dict[int, tuple[float, float, int]]:
    found = front_certainty(study, rows, study.front(rows))
    assert found is not None
    return {
        member.index: (found.errors[row], found.chances[row], found.groups[row])
        for row, member in enumerate(found.members)
    }


def test_chance_of_a_member_with_one_rival_in_closed_form(scored: Study, evaluation: Make) -> None:
    # 0.5 points ahead of a cheaper network: the member is dominated where luck turns that around.
    found = certainty_of(scored, [evaluation(0, 50.0, 1.0), evaluation(1, 50.5, 2.0)])
    assert found[0][1] == 1.0, "nothing is cheaper"
    assert found[0][0] == pytest.approx(0.5, rel=1e-3)
    error = (2 * (1 - SHARED_LUCK)) ** 0.5 * 0.5
    assert found[1][1] == pytest.approx(NormalDist().cdf(0.5 / error), abs=0.05)


def test_a_network_has_one_luck_under_all_of_its_mappings(scored: Study, evaluation: Make) -> None:
    twins = [replace(evaluation(index, 60.0, lat), genotype=(7, 0)) for index, lat in ((0, 2.0), (1, 2.0))]
    assert [each[1] for each in certainty_of(scored, twins).values()] == [1.0, 1.0]


def test_ties_begin_with_the_most_accurate_member(scored: Study, evaluation: Make) -> None:
    # 1.96 errors of a difference are 0.98 points.
    values = [(50.0, 5.0), (49.2, 4.0), (48.9, 3.0), (48.0, 2.0), (47.5, 1.0)]
    found = certainty_of(scored, [evaluation(index, *pair) for index, pair in enumerate(values)])
    assert [found[index][2] for index in range(5)] == [1, 1, 2, 2, 3]


def test_a_line_says_what_the_last_points_cost(scored: Study, evaluation: Make) -> None:
    rows = [replace(evaluation(0, 50.0, 7.0), vit_blocks=4), evaluation(1, 49.6, 2.0)]
    found = front_certainty(scored, rows, scored.front(rows))
    assert found is not None
    (line,) = tie_lines(scored, found, most=5)
    assert line == (
        "tie 1 of 2: id 0 against id 1 has 3 ViT blocks more, 3.5 x the lat for +0.40 ± 0.50 points"
    )
    assert tie_lines(scored, found, most=0) == []


def test_without_images_or_accuracy_nothing_is_said(study: Study, scored: Study, evaluation: Make) -> None:
    rows = [evaluation(0, 50.0, 1.0)]
    assert front_certainty(study, rows, rows) is None
    assert front_certainty(scored, [], []) is None
    other = replace(scored, goals=scored.goals[1:], ideal=(0.0,), reference=(1.0,), constraints=())
    assert front_certainty(other, rows, rows) is None
