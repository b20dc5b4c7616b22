from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studies.study.evaluation import Evaluation
from studies.study.study import Study


def test_front_holds_feasible_nondominated_rows_best_accuracy_first(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    rows = [
        evaluation(0, 50.0, 1.0),
        evaluation(1, 90.0, 7.0),
        evaluation(2, 60.0, 8.0),  # Dominated by 1.
        evaluation(3, None, 9.0),  # Infeasible.
        evaluation(4, 70.0, 2.0),
    ]
    assert [one.index for one in study.front(rows)] == [1, 4, 0]


def test_subnet_with_no_more_than_a_bound_is_on_no_front(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    bound = replace(evaluation(0, 95.0, 1.0), stopped_after=512)
    assert bound.is_bound
    assert [one.index for one in study.front([bound, evaluation(1, 90.0, 7.0)])] == [1]
    assert study.front([bound]) == []
    assert study.hypervolume([bound]) == 0.0
    assert study.losses([bound]).tolist() == [[-95.0, 1.0]]


def test_front_keeps_different_subnets_of_equal_values(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    rows = [evaluation(0, 50.0, 1.0), evaluation(1, 50.0, 1.0)]
    assert [one.index for one in study.front(rows)] == [0, 1]


def test_hypervolume_uses_the_bounds_of_the_study(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    assert study.hypervolume([evaluation(0, 80.0, 2.0)]) == pytest.approx(0.8 * 0.8)
    assert study.hypervolume([evaluation(0, None, 9.0)]) == 0.0
    assert study.hypervolume([]) == 0.0
    assert study.front([]) == []


def test_losses_are_scaled_to_the_bounds_and_not_clipped(
    study: Study, evaluation: Callable[..., Evaluation]
) -> None:
    rows = [evaluation(0, 80.0, 2.0), evaluation(1, None, 11.0)]
    assert study.scaled_losses(rows) == pytest.approx(np.array([[0.2, 0.2], [np.nan, 1.1]]), nan_ok=True)
    assert study.scaled(np.array([[100.0, 0.0], [0.0, 10.0]])).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    assert study.scaled_losses([]).shape == (0, 2)
    # The limit is 8 ms.
    assert study.violations(rows) == pytest.approx(np.array([[-0.75], [0.375]]))


def test_contributions_are_shares_of_the_box(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    front = study.front([evaluation(0, 50.0, 1.0), evaluation(1, 90.0, 7.0)])
    # Boxes 0.9 x 0.3 and 0.5 x 0.9 overlap in 0.5 x 0.3.
    assert study.contributions(front) == pytest.approx([0.27 - 0.15, 0.45 - 0.15])


def test_a_logarithmic_scale_counts_ratios(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    study = replace(study, settings={"scale": "log"}, ideal=(90.0, 0.01), reference=(70.0, 1.0))
    rows = [evaluation(0, 80.0, 0.1), evaluation(1, 60.0, 0.02)]
    # 0.1 is half way from 0.01 to 1; an accuracy below the box adds nothing.
    assert study.scaled_losses(rows) == pytest.approx(np.array([[0.5, 0.5], [1.5, np.log10(2) / 2]]))
    assert study.hypervolume(rows) == pytest.approx(0.25)
    assert study.contributions(rows) == pytest.approx([0.25, 0])
    assert study.spread(rows, 1) == [0]


values = st.tuples(st.sampled_from([50.0, 60.0, 70.0, 80.0]), st.sampled_from([1.0, 2.0, 4.0, 9.0]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(values, max_size=12), random=st.randoms(use_true_random=False))
def test_order_of_rows_decides_neither_front_nor_hypervolume(
    study: Study,
    evaluation: Callable[..., Evaluation],
    values: list[tuple[float, float]],
    random: Random,
) -> None:
    # The accuracy of a network beyond the limit of 8 ms is not measured.
    rows = [evaluation(index, acc if lat <= 8 else None, lat) for index, (acc, lat) in enumerate(values)]
    shuffled = random.sample(rows, len(rows))
    assert {one.index for one in study.front(shuffled)} == {one.index for one in study.front(rows)}
    assert study.hypervolume(shuffled) == pytest.approx(study.hypervolume(rows), rel=1e-12)
