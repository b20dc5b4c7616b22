"""Scale of costs in the box of a study: logarithmic or linear.

Latency budgets are ratios: from 0.1 to 0.2 ms is as far as from 1 to 2 ms. On a linear scale half of a front
may lie within a few percent of the axis, and a search that aims at the hypervolume gains next to nothing
there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from search_space.arrays import Floats

LOG, LINEAR = "log", "linear"
SCALES = (LOG, LINEAR)
FLOOR = 1e-3
"""Share of the greatest cost below which costs count as equal, where the ideal is 0."""
_GRAIN = 2.0**-30


def cost_scales(
    ideal: Sequence[float], reference: Sequence[float], directions: Sequence[str]
) -> dict[int, float]:
    """Least cost of a box as a share of the greatest one, by column of the objective.

    Objectives to maximise, and costs that may be negative, have no logarithmic scale.
    """
    return {
        column: max(best / worst, FLOOR)
        for column, (best, worst, direction) in enumerate(zip(ideal, reference, directions, strict=True))
        if direction == "min" and 0 <= best < worst
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
