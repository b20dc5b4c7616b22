"""Result of a training epoch, and the error of one that diverged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from search_space.errors import H4HError

LARGEST_WEIGHT = torch.finfo(torch.float16).max
"""Largest absolute value of a weight. Supernets are stored in float16; no useful weight comes near it."""


class DivergedError(H4HError):
    """A loss, a gradient or a weight that is not finite or too large."""


def check_weights(network: nn.Module, epoch: int) -> None:
    """Checks the weights of a network before they are written.

    Args:
        network: The network.
        epoch: Number of the current epoch, from 1, for the message.

    Raises:
        DivergedError: A parameter overflows float16, or a running statistic is not finite.
    """
    for tensors, limit in (
        (network.named_parameters(), LARGEST_WEIGHT),
        (network.named_buffers(), torch.finfo(torch.float32).max),
    ):
        for name, tensor in tensors:
            largest = float(tensor.detach().abs().max())
            # `not <=` instead of `>` refuses NaN as well.
            if not largest <= limit:
                raise DivergedError(
                    f"the weights diverged in epoch {epoch} ({name} reaches {largest:.3g}, but at most "
                    f"{limit:g} can be stored): lower --rate, or clip gradients by --clip"
                )


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
