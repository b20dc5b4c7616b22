from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studies.analysis.confirmed_ranking import difference, is_behind, outcome_correlation, ranked
from studies.analysis.held_out_scores import HeldOutScore
from studies.study.evaluation import Evaluation

Make = Callable[..., Evaluation]


@pytest.fixture
def score(evaluation: Make) -> Callable[[int, str], HeldOutScore]:
    def make(index: int, outcomes: str) -> HeldOutScore:
        right = np.array([outcome == "1" for outcome in outcomes])
        return HeldOutScore(evaluation(index, 50.0, 1.0), 50.0, int(right.sum()), len(right), right)

    return make


def test_a_difference_is_paired_by_image(score: Callable[[int, str], HeldOutScore]) -> None:
    first, second = score(0, "1110"), score(1, "1001")
    # Differences 0, 1, 1, -1: mean 1/4, variance 3/4 - 1/16.
    assert difference(first, second) == pytest.approx((25, 100 * (0.6875 / 4) ** 0.5))
    assert difference(first, first) == (0, 0)


def test_the_same_lead_is_a_tie_or_not_by_how_outcomes_agree(
    score: Callable[[int, str], HeldOutScore],
) -> None:
    best = score(0, "1" * 60 + "0" * 40)
    nested = score(1, "1" * 50 + "0" * 50)  # wrong wherever the best one is, and on ten images more
    other = score(2, "0" * 10 + "1" * 50 + "0" * 0 + "0" * 40)
    apart = score(3, "0" * 50 + "1" * 50)
    assert is_behind(best, nested)
    assert is_behind(best, other)
    assert not is_behind(best, apart), "ten points ahead, but the outcomes differ on ninety images"
    assert not is_behind(best, best)


def test_the_ranking_begins_with_the_most_accurate(score: Callable[[int, str], HeldOutScore]) -> None:
    rows = ranked(
        [score(0, "0" * 50 + "1" * 50), score(1, "1" * 60 + "0" * 40), score(2, "1" * 40 + "0" * 60)]
    )
    assert [(row.score.evaluation.index, row.tie) for row in rows] == [(1, 1), (0, 1), (2, 2)]
    assert [row.behind for row in rows] == pytest.approx([0, 10, 20])


def test_correlation_of_outcomes(score: Callable[[int, str], HeldOutScore]) -> None:
    first, second, third = score(0, "1100"), score(1, "1010"), score(2, "1000")
    # Of 1100 with 1000 and of 1010 with 1000: 1 / sqrt(3); of 1100 with 1010: 0.
    assert outcome_correlation([first, second, third]) == pytest.approx(3**-0.5)
    assert outcome_correlation([first, first]) is None, "one network under two mappings"
    assert outcome_correlation([score(0, "1111"), second]) is None
