from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from studies.analysis.equal_members import equal_groups, ties_line
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def test_members_of_equal_values_are_grouped(study: Study, evaluation: Callable[..., Evaluation]) -> None:
    values = [(50.0, 1.0), (80.0, 2.0), (50.0, 1.0), (80.0, 2.5), (80.0, 2.0), (50.0, 1.0)]
    members = [evaluation(index, *pair) for index, pair in enumerate(values)]
    assert [[one.index for one in group] for group in equal_groups(members)] == [[0, 2, 5], [1, 4]]
    assert ties_line(study, members) == (
        "the 6 members of the front have 3 different values of acc and lat; ids 0, 2, 5 are equal: choose "
        "among them by size"
    )
    many = [replace(members[0], index=index) for index in range(9)]
    assert "ids 0, 1, 2, 3, 4, ... are equal" in str(ties_line(study, many))
    assert ties_line(study, members[:2]) is None
