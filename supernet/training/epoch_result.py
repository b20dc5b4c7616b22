"""Result of a training epoch, and the error of one that diverged."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.errors import H4HError


class DivergedError(H4HError):
    """A loss or a gradient that is not finite."""


@dataclass(frozen=True)
class SubnetScore:
    """How subnets of one kind did on augmented training batches.

    Attributes:
        loss: What they are trained with, nats: cross-entropy (largest), distillation (others).
        accuracy: Share of images classified right, %. Of a mixed image the larger part counts.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class EpochResult:
    """An epoch so far.

    Attributes:
        steps: Number of steps done.
        scores: Means over them, by the kind of subnet; kinds that were not trained are left out.
        rates: Learning rates of the last step for ``cnn`` and ``vit`` weights, as far as they are trained.
    """

    steps: int
    scores: dict[str, SubnetScore]
    rates: dict[str, float]
