from __future__ import annotations

from collections.abc import Callable

from studies.analysis.outside_bounds import outside_bounds
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def test_members_within_the_bounds_get_no_line(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    assert outside_bounds(study, [evaluation(0, 50.0, 0.0), evaluation(1, 60.0, 7.0)]) == []
    assert outside_bounds(study, []) == []


def test_only_members_of_the_front_count(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    rows = [evaluation(0, 50.0, -1.0), evaluation(1, 40.0, -0.5), evaluation(2, 60.0, 1.0)]
    assert outside_bounds(study, rows) == [
        "lat of 1 of 2 front members lies outside 0 to 10 ms; the hypervolume counts it as if it lay at "
        "that bound"
    ]
