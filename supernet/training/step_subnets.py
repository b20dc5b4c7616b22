"""Subnets of a training step: the largest, the smallest and random ones (sandwich rule, BigNAS, ECCV 2020).

With ``sampling: pareto``, each random subnet is the best of a few of equal cost, by an estimate of their
losses that is learned during training. The idea is that of AttentiveNAS (CVPR 2021): train the networks that
may reach the Pareto front.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from search_space import complexity
from search_space.genotype import Genotype
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import BINS, MACS, draw, draw_of_bin
from supernet.training.phases import FREEZE, LARGEST, PARETO, RANDOM, SMALLEST, Phase, restricted

CANDIDATES = 5
"""Number of subnets of a bin from which ``pareto`` chooses."""

ESTIMATE_RATE = 0.1
"""Share of an estimate's error that one observation removes."""


class LossEstimate:
    """Estimate of a subnet's training loss: a sum of one weight for each active gene's option.

    Each observation changes its weights by equal parts of the error (normalised least mean squares), so the
    estimate follows the falling loss.

    Args:
        space: The search space.

    Attributes:
        weights: Weights of all options of all genes, in order, float64.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        cardinalities = [gene.cardinality for gene in space.genes]
        self._first = np.concatenate([[0], np.cumsum(cardinalities)[:-1]])
        self.weights: Tensor = torch.zeros(sum(cardinalities), dtype=torch.float64)

    def _positions(self, genotype: Genotype) -> Tensor:
        active = np.array(self._space.active(genotype))
        return torch.from_numpy((self._first + np.array(genotype))[active])

    def predict(self, genotype: Genotype) -> float:
        """Estimated loss of `genotype`, in nats."""
        return float(self.weights[self._positions(genotype)].sum())

    def observe(self, genotype: Genotype, loss: float) -> None:
        """Moves the estimate of `genotype` towards a measured `loss`, in nats."""
        positions = self._positions(genotype)
        error = loss - self.predict(genotype)
        self.weights[positions] += ESTIMATE_RATE * error / len(positions)


def sandwich(
    space: Space,
    phase: Phase,
    rng: np.random.Generator,
    *,
    step: int = 0,
    estimate: LossEstimate | None = None,
) -> list[tuple[str, Subnet]]:
    """Subnets of one step with their kinds: the phase's largest if it is due, the smallest, and random ones.

    Equal subnets occur once, under the first kind. If the phase freezes the CNN, subnets without transformer
    blocks are left out, since they have nothing to learn.

    Args:
        space: The search space.
        phase: The phase of the step.
        rng: Source of randomness. It advances.
        step: Number of the step in the whole training, from 0. It decides whether the largest subnet is due,
            and the family or bin of each random subnet.
        estimate: Estimate of losses for ``pareto``.
    """
    genotypes = [(LARGEST, space.largest())] if step % phase.largest_every == 0 else []
    genotypes.append((SMALLEST, space.smallest()))
    numbers = range(step * phase.random_subnets, (step + 1) * phase.random_subnets)
    genotypes += [(RANDOM, _drawn(space, phase, rng, number, estimate)) for number in numbers]
    kinds: dict[Subnet, str] = {}
    for kind, genotype in genotypes:
        subnet = restricted(space, phase, genotype)
        if phase.cnn != FREEZE or subnet.vit_blocks:
            kinds.setdefault(subnet, kind)
    return [(kind, subnet) for subnet, kind in kinds.items()]


def _drawn(
    space: Space, phase: Phase, rng: np.random.Generator, number: int, estimate: LossEstimate | None
) -> Genotype:
    if phase.sampling not in (MACS, PARETO):
        return draw(space, phase.sampling, rng, number)

    def cost(genotype: Genotype) -> float:
        return complexity.macs(restricted(space, phase, genotype))

    def of_bin() -> Genotype:
        return draw_of_bin(space, number % BINS, rng, cost=cost)

    if phase.sampling == MACS or estimate is None:
        return of_bin()
    return min((of_bin() for _ in range(CANDIDATES)), key=estimate.predict)
