"""Top-1 accuracy of one subnet: record its batch-norm statistics, then classify held-out images.

Statistics are those of this subnet alone, recorded on calibration images before each evaluation, as
BigNAS, AlphaNet and once-for-all do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.images import LabelledImages, normalised
from supernet.model import Supernet
from supernet.normalisation import Recorded, Recording
from supernet.precision import PRECISIONS

BATCH = 256


@dataclass(frozen=True)
class PreparedImages:
    """Images as network input, in batches.

    Attributes:
        batches: Each ``(n, 3, s, s)`` with its labels ``(n,)``.
    """

    batches: tuple[tuple[Tensor, Tensor], ...]

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self.batches)


def prepare(images: LabelledImages, *, precision: str, device: torch.device) -> PreparedImages:
    """Normalises `images` once, for many evaluations."""
    starts = range(0, len(images), BATCH)
    parts = [images[start : start + BATCH] for start in starts]
    return PreparedImages(
        tuple(
            (normalised(part.pixels.to(device), PRECISIONS[precision]), part.labels.to(device))
            for part in parts
        )
    )


@torch.inference_mode()
def calibrate(supernet: Supernet, subnet: Subnet, images: PreparedImages) -> Recorded:
    """Batch-norm statistics of `subnet`, averaged over `images`; each image weighs the same."""
    recording = Recording()
    for batch, _ in images.batches:
        supernet(batch, subnet, recording)
    return recording.result()


@torch.inference_mode()
def top1(supernet: Supernet, subnet: Subnet, images: PreparedImages, statistics: Recorded) -> float:
    """Share of `images` that `subnet` classifies right, in %.

    Raises:
        H4HError: A class score is not finite; names the subnet.
    """
    correct = 0
    for batch, labels in images.batches:
        logits = supernet(batch, subnet, statistics)
        if not torch.isfinite(logits).all():
            raise H4HError(f"subnet {subnet} gives class scores that are not finite")
        correct += int((logits.argmax(1) == labels).sum())
    return 100 * correct / len(images)
