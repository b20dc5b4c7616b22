from __future__ import annotations

import numpy as np
import pytest

from studies.study.cost_scale import FLOOR, cost_scales, logarithmic


def test_only_costs_that_are_not_negative_have_a_scale() -> None:
    directions = ("max", "min", "min", "min")
    assert cost_scales((100, 1, 0, -1), (0, 100, 5, 5), directions) == {1: 0.01, 2: FLOOR}


def test_equal_ratios_are_equal_steps() -> None:
    # Costs 1, 10 and 100 in a box from 1 to 100.
    scales = cost_scales((100, 1), (0, 100), ("max", "min"))
    losses = np.array([[0.3, 0.0], [0.3, 9 / 99], [0.3, 1.0]])
    scaled = logarithmic(losses, scales)
    assert scaled[:, 0].tolist() == [0.3] * 3
    assert scaled[:, 1] == pytest.approx([0, 0.5, 1], abs=1e-8)
    assert losses[1, 1] == 9 / 99, "the input does not change"


def test_losses_beyond_the_ideal_stay_at_it() -> None:
    assert logarithmic(np.array([[-0.5]]), {0: 0.1}).tolist() == [[0.0]]
