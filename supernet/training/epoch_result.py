"""Result of a training epoch, and the error of one that diverged."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.errors import H4HError


class DivergedError(H4HError):
    """A loss or a gradient that is not finite."""


@dataclass(frozen=True)
class SubnetScore:
    """Loss and accuracy of the subnets of one kind on augmented training batches.

    Attributes:
        loss: Training loss in nats: cross-entropy (largest subnet) or distillation loss (others).
        accuracy: Top-1 accuracy in %. For a mixed image, the class of the larger part counts.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class EpochResult:
    """Result of the current epoch so far.

    Attributes:
        steps: Number of finished steps.
        scores: Means over these steps by kind of subnet; kinds that were not trained are left out.
        rates: Learning rates of the last step for ``cnn`` and ``vit`` weights, if they are trained.
    """

    steps: int
    scores: dict[str, SubnetScore]
    rates: dict[str, float]
