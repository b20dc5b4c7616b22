"""Labelled images in memory, and how they become the network's input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.space import Space

MEAN = (0.49139968, 0.48215841, 0.44653091)
DEVIATION = (0.24703223, 0.24348513, 0.26158784)
"""Mean and standard deviation of CIFAR-10's training pixels, in units of 255, per channel."""


@dataclass(frozen=True)
class LabelledImages:
    """A set of images with their classes.

    Attributes:
        pixels: ``(n, 3, h, w)``, uint8.
        labels: ``(n,)``, int64.
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> LabelledImages:
        return LabelledImages(self.pixels[part], self.labels[part])

    def check_classes(self, space: Space) -> None:
        """Raises `H4HError` if networks of `space` tell another number of classes apart."""
        classes = int(self.labels.max()) + 1
        if space.head.classes != classes:
            raise H4HError(
                f"space {space.name!r} has {space.head.classes} classes, but the images have {classes}: "
                f"set `head.classes` in the space's file, or use other images"
            )


def normalised(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 ``(n, 3, h, w)`` -> the same shape in `dtype`, channels_last, zero mean, unit deviation."""
    mean = torch.tensor(MEAN, device=pixels.device).view(1, 3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=pixels.device).view(1, 3, 1, 1)
    scaled = (pixels.float() / 255 - mean) / deviation
    return scaled.to(dtype).contiguous(memory_format=torch.channels_last)
