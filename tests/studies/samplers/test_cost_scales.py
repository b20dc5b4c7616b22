from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.samplers.cost_scales import FLOOR, cost_scales, in_turn, logarithmic
from studies.study.study import Goal, Study
from tests.studies.samplers.grid import study_of


def boxed(*goals: tuple[str, float, float]) -> Study:
    return replace(
        study_of(len(goals)),
        goals=tuple(Goal(f"f{place}", "", direction) for place, (direction, _, _) in enumerate(goals)),
        ideal=tuple(ideal for _, ideal, _ in goals),
        reference=tuple(reference for _, _, reference in goals),
    )


def test_only_costs_that_are_not_negative_have_a_scale() -> None:
    study = boxed(("max", 100, 0), ("min", 1, 100), ("min", 0, 5), ("min", -1, 5))
    assert cost_scales(study) == {1: 0.01, 2: FLOOR}


def test_equal_ratios_are_equal_steps() -> None:
    # Costs 1, 10 and 100 in a box from 1 to 100.
    scales = cost_scales(boxed(("max", 100, 0), ("min", 1, 100)))
    losses = np.array([[0.3, 0.0], [0.3, 9 / 99], [0.3, 1.0]])
    scaled = logarithmic(losses, scales)
    assert scaled[:, 0].tolist() == [0.3] * 3
    assert scaled[:, 1] == pytest.approx([0, 0.5, 1], abs=1e-8)
    assert losses[1, 1] == 9 / 99, "the input does not change"


def test_losses_beyond_the_ideal_stay_at_it() -> None:
    assert logarithmic(np.array([[-0.5]]), {0: 0.1}).tolist() == [[0.0]]


def test_two_lists_in_turn() -> None:
    assert in_turn([3, 1, 2], [1, 4]) == [3, 1, 4, 2]
    assert in_turn([], [5]) == [5]
