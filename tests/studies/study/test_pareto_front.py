from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studies.study.pareto_front import igd_plus, losses, nondominated

POINTS = arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.integers(0, 4).map(float),
)


def test_losses_turn_what_is_maximised() -> None:
    assert losses(np.array([[90.0, 2.0]]), ["max", "min"]).tolist() == [[-90.0, 2.0]]


@given(POINTS)
def test_nondominated_is_the_definition(points: np.ndarray) -> None:
    def is_dominated(row: np.ndarray) -> bool:
        return any((other <= row).all() and (other < row).any() for other in points)

    expected = [index for index, row in enumerate(points) if not is_dominated(row)]
    assert nondominated(points).tolist() == expected


def test_nondominated_of_nothing_is_nothing() -> None:
    assert nondominated(np.empty((0, 3))).tolist() == []


def test_igd_plus_counts_only_where_a_front_is_worse() -> None:
    first = np.array([[0.0, 0.5], [0.5, 0.0]])
    second = np.array([[0.3, 0.5], [0.9, -1.0]])
    # The joint front is the first one and, at the edge of the box, nothing of the second.
    near, far = igd_plus([first, second])
    assert near == 0
    # To (0, 0.5): 0.3 off in one objective. To (0.5, 0): 0.4 off from the second point, 0.5 from the first.
    assert far == pytest.approx((0.3 + 0.4) / 2)


def test_igd_plus_of_one_objective_and_of_nothing() -> None:
    assert igd_plus([np.array([[0.4], [0.2]]), np.array([[0.1]])]) == pytest.approx([0.1, 0.0])
    assert igd_plus([np.empty((0, 2)), np.array([[0.1, 0.1]])]) == [None, 0.0]
