"""Logarithmic scale of costs: latency budgets are ratios, and a linear scale hides half of the front.

Half of a front may lie within a few percent of the cost axis. A search that aims at the hypervolume of a
linear box gains next to nothing there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np

from search_space.arrays import Floats
from studies.study.study import Study

FLOOR = 1e-3
"""Share of the greatest cost below which costs count as equal."""
_GRAIN = 2.0**-30


def cost_scales(study: Study) -> dict[int, float]:
    """Least cost of the study's box as a share of the greatest one, by column of the objective.

    Objectives to maximise, and costs that may be negative, have no logarithmic scale.
    """
    box = zip(study.goals, study.ideal, study.reference, strict=True)
    return {
        column: max(ideal / reference, FLOOR)
        for column, (goal, ideal, reference) in enumerate(box)
        if goal.direction == "min" and 0 <= ideal < reference
    }


def logarithmic(losses: Floats, scales: Mapping[int, float]) -> Floats:
    """Losses (..., m) with some columns on a logarithmic scale; 0 and 1 stay where they are.

    Args:
        losses: Scaled losses: 0 at the ideal of the study and 1 at its reference.
        scales: As `cost_scales` returns them.
    """
    result = losses.copy()
    for column, least in scales.items():
        shares = np.maximum(least + losses[..., column] * (1 - least), least)
        # Rounding hides the last bit of `log`, which depends on the CPU.
        result[..., column] = np.round((1 - np.log(shares) / math.log(least)) / _GRAIN) * _GRAIN
    return result


def in_turn(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Elements of two lists, one of each in turn, every element once."""
    return list(dict.fromkeys(row for pair in zip_longest(first, second) for row in pair if row is not None))
