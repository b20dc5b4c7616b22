"""Learning rate of a step: warm-up, then cosine to zero or constant."""

from __future__ import annotations

import math

from supernet.training.phases import CONSTANT, Phase


def learning_rate(phase: Phase, progress: float, *, warm_up_epochs: float, schedule: str) -> float:
    """Learning rate: linear warm-up, then cosine to zero or constant.

    Args:
        phase: The current phase.
        progress: Number of finished epochs of the phase, with fraction.
        warm_up_epochs: Length of the warm-up; at most half of the phase is used.
        schedule: One of `SCHEDULES`.
    """
    warm_up = min(warm_up_epochs, phase.epochs / 2)
    if progress < warm_up:
        return phase.rate * progress / warm_up
    if schedule == CONSTANT:
        return phase.rate
    share = (progress - warm_up) / (phase.epochs - warm_up)
    return phase.rate * 0.5 * (1 + math.cos(math.pi * share))
