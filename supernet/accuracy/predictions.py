"""Predicted classes of pictures, read and prepared as the header of a checkpoint says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.subnet import Subnet
from supernet.checkpoints.image_input import ImageInput
from supernet.images.image_folder import square
from supernet.images.labelled_images import BATCH, centre, normalised
from supernet.images.picture_file import read_picture, shown
from supernet.network.batch_norm import Recorded
from supernet.network.supernet import Supernet


@dataclass(frozen=True)
class Prediction:
    """Most likely classes of one picture.

    Attributes:
        image: Path of the picture.
        classes: Numbers of the classes, the most likely first.
        probabilities: Their probabilities, 0 to 1.
    """

    image: str
    classes: tuple[int, ...]
    probabilities: tuple[float, ...]


def prepared_picture(path: Path, images: ImageInput) -> Tensor:
    """The picture at `path` as a network of this input sees it, uint8 ``(3, size, size)``.

    Raises:
        UnreadableImageError: The file is absent, damaged, or no picture.
    """
    return centre(square(read_picture(path), images.resize, images.fit), images.size)


@torch.inference_mode()
def predictions(
    supernet: Supernet,
    subnet: Subnet,
    statistics: Recorded,
    paths: Sequence[Path],
    images: ImageInput,
    *,
    top: int,
    device: torch.device,
) -> Iterator[Prediction]:
    """Predicts the classes of pictures, in float32.

    Args:
        supernet: Source of the weights, on `device`.
        subnet: The network.
        statistics: Its batch-norm statistics.
        paths: Files of the pictures.
        images: How they are prepared.
        top: Number of classes of each picture.
        device: Device of the computation.

    Raises:
        UnreadableImageError: A file is absent, damaged, or no picture.
        H4HError: A class score is not finite.
    """
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        pixels = torch.stack([prepared_picture(path, images) for path in part])
        logits = supernet(
            normalised(pixels.to(device), torch.float32, images.pixel_scale), subnet, statistics
        )
        if not torch.isfinite(logits).all():
            raise H4HError(f"subnet {subnet} gives class scores that are not finite")
        shares, classes = logits.softmax(1).topk(min(top, logits.shape[1]), dim=1)
        for path, row, labels in zip(part, shares.tolist(), classes.tolist(), strict=True):
            yield Prediction(shown(path), tuple(labels), tuple(row))
