"""Top-1 accuracy of one subnet: record its batch-norm statistics, then classify held-out images.

The statistics belong to this subnet alone and are recorded on calibration images before each evaluation, as
in BigNAS, AlphaNet and once-for-all. A search evaluates many subnets at once: `many_subnets.calibrate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.checkpoints.image_input import CIFAR10_SCALE, PixelScale
from supernet.images.labelled_images import Images, normalised
from supernet.network.batch_norm import Recorded, Recording
from supernet.network.number_formats import SCORED_IN
from supernet.network.supernet import Supernet


@dataclass(frozen=True)
class PreparedImages:
    """Images as network input, in batches.

    Attributes:
        batches: Each ``(n, 3, s, s)`` with its labels ``(n,)``.
    """

    batches: tuple[tuple[Tensor, Tensor], ...]

    @property
    def dtype(self) -> torch.dtype:
        """Data type of the computation."""
        return self.batches[0][0].dtype

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self.batches)


def prepare(
    images: Images, *, precision: str, device: torch.device, scale: PixelScale = CIFAR10_SCALE
) -> PreparedImages:
    """Normalises `images` once for many evaluations, by the `scale` of the networks' pixels.

    Raises:
        DatasetError: An image cannot be read.
    """
    return PreparedImages(tuple(stream(images, precision=precision, device=device, scale=scale)))


def stream(
    images: Images, *, precision: str, device: torch.device, scale: PixelScale = CIFAR10_SCALE
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the batches of `prepare` one by one, for more images than memory holds.

    Raises:
        DatasetError: An image cannot be read.
    """
    for part in images.evaluated():
        yield normalised(part.pixels.to(device), SCORED_IN[precision], scale), part.labels.to(device)


@torch.inference_mode()
def record_statistics(supernet: Supernet, subnet: Subnet, images: PreparedImages) -> Recorded:
    """Batch-norm statistics of `subnet`, averaged over `images`; each image weighs the same."""
    recording = Recording()
    for batch, _ in images.batches:
        supernet(batch, subnet, recording)
    return recording.result()


@torch.inference_mode()
def top1(supernet: Supernet, subnet: Subnet, images: PreparedImages, statistics: Recorded) -> float:
    """Top-1 accuracy of `subnet` on `images`, in %.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    correct = sum(right(supernet, subnet, batch, labels, statistics) for batch, labels in images.batches)
    return 100 * correct / len(images)


@torch.inference_mode()
def right(supernet: Supernet, subnet: Subnet, batch: Tensor, labels: Tensor, statistics: Recorded) -> int:
    """Number of images of one batch that `subnet` classifies correctly.

    Args:
        supernet: Source of the weights.
        subnet: The network.
        batch: ``(n, 3, s, s)``, normalised.
        labels: ``(n,)``.
        statistics: From `record_statistics`.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    logits = supernet(batch, subnet, statistics)
    if not torch.isfinite(logits).all():
        raise H4HError(f"subnet {subnet} gives class scores that are not finite")
    return int((logits.argmax(1) == labels).sum())
