"""The two-phase schedule of H4H: first the CNN part alone, then the whole hybrid from its weights.

Phase 1 trains with all transformer blocks removed, phase 2 trains the whole space from phase 1's weights
(H4H, ASP-DAC 2025). Their layer scale starts near zero, so phase 2 begins at phase 1's function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from search_space.space import Space
from search_space.subnet import Subnet


@dataclass(frozen=True)
class Phase:
    """A stretch of training over one part of the space.

    Attributes:
        name: For progress and logs.
        epochs: Number of passes over the training images.
        peak_rate: Learning rate after warm-up.
        random_subnets: Random subnets per step, beside the largest and the smallest.
        restrict: Maps a subnet of the space to one of the part that is trained.
    """

    name: str
    epochs: int
    peak_rate: float
    random_subnets: int
    restrict: Callable[[Subnet], Subnet]


def without_vit(subnet: Subnet) -> Subnet:
    """The subnet less all its transformer blocks."""
    return replace(subnet, stages=tuple(replace(stage, vit_blocks=()) for stage in subnet.stages))


def whole(subnet: Subnet) -> Subnet:
    """The subnet itself."""
    return subnet


def phase_at(phases: tuple[Phase, ...], epoch: int) -> tuple[Phase, int]:
    """The phase to which `epoch` (from 0) belongs, and the epoch's number within it."""
    for phase in phases:
        if epoch < phase.epochs:
            return phase, epoch
        epoch -= phase.epochs
    raise IndexError("epoch lies behind the last phase")


def learning_rate(phase: Phase, progress: float, warm_up_epochs: float) -> float:
    """Linear warm-up, then cosine to zero.

    Args:
        phase: The phase at hand.
        progress: Epochs of it that are done, with fraction.
        warm_up_epochs: Length of the warm-up.
    """
    warm_up = min(warm_up_epochs, phase.epochs / 2)
    if progress < warm_up:
        return phase.peak_rate * progress / warm_up
    share = (progress - warm_up) / (phase.epochs - warm_up)
    return phase.peak_rate * 0.5 * (1 + math.cos(math.pi * share))


def sandwich(space: Space, phase: Phase, rng: np.random.Generator) -> list[Subnet]:
    """Subnets of one step: the phase's largest first, its smallest, then random ones (BigNAS, ECCV 2020)."""
    genotypes = [space.largest(), space.smallest()]
    genotypes += [space.sample(rng) for _ in range(phase.random_subnets)]
    return [phase.restrict(space.decode(genotype)) for genotype in genotypes]
