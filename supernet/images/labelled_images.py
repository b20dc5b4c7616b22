"""Labelled images in memory or on disk, and their conversion to network input."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import overload

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from search_space.errors import H4HError
from search_space.space import Space
from supernet.checkpoints.image_input import CIFAR10_SCALE, SCALE, PixelScale

BATCH = 256
"""Batch size of evaluations."""


class Images(Dataset[tuple[Tensor, int]]):
    """Images of three channels with their classes, in memory or read on demand.

    An item is the input of augmentation: pixels ``(3, h, w)``, uint8, and the class.

    Attributes:
        labels: Class of each image, ``(n,)``, int64.
        crop: Side of the random resized crop in training. None if every item is a square that a network sees
            whole.
    """

    labels: Tensor
    crop: int | None

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def subset(self, indices: Tensor) -> Images:
        """The images at `indices`, ``(m,)``, in their order."""

    @abstractmethod
    def evaluated(self) -> Iterator[LabelledImages]:
        """The images as evaluation sees them, in order, in batches of equal squares.

        Raises:
            DatasetError: An image cannot be read.
        """


@dataclass(frozen=True)
class LabelledImages(Images):
    """Images of one size, in memory. A slice has the same type.

    Attributes:
        pixels: Shape ``(n, 3, s, s)``, uint8.
        labels: Class of each image, ``(n,)``, int64.
        crop: See `Images`. Evaluation sees the central square of this side.
    """

    pixels: Tensor
    labels: Tensor
    crop: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...

    @overload
    def __getitem__(self, index: slice) -> LabelledImages: ...

    def __getitem__(self, index: int | slice) -> tuple[Tensor, int] | LabelledImages:
        if isinstance(index, slice):
            return LabelledImages(self.pixels[index], self.labels[index], self.crop)
        return self.pixels[index], int(self.labels[index])

    def subset(self, indices: Tensor) -> LabelledImages:
        return LabelledImages(self.pixels[indices], self.labels[indices], self.crop)

    def evaluated(self) -> Iterator[LabelledImages]:
        for start in range(0, len(self), BATCH):
            part = self[start : start + BATCH]
            yield LabelledImages(centre(part.pixels, self.crop or part.pixels.shape[-1]), part.labels)


def loaded(images: Images) -> LabelledImages:
    """All `images` as evaluation sees them, in memory.

    Raises:
        DatasetError: An image cannot be read.
    """
    parts = list(images.evaluated())
    return LabelledImages(
        torch.cat([part.pixels for part in parts]), torch.cat([part.labels for part in parts])
    )


def centre(pixels: Tensor, side: int) -> Tensor:
    """Central squares: ``(..., s, s)`` -> ``(..., side, side)``."""
    margin = (pixels.shape[-1] - side) // 2
    return pixels[..., margin : margin + side, margin : margin + side]


def check_classes(space: Space, classes: int) -> None:
    """Raises `H4HError` if networks of `space` have another number of classes than `classes`."""
    if space.head.classes != classes:
        raise H4HError(
            f"space {space.name!r} has {space.head.classes} classes, but the images have {classes}: choose "
            f"other images with --data, or train a supernet of your own space, a YAML file with the lines "
            f"`base: cifar32`, `name: mine`, `head: {{classes: {classes}}}`"
        )


def check_images(images: Tensor) -> None:
    """Raises `H4HError` unless network input has shape ``(n, 3, s, s)``. Any `s` works: input is resized."""
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise H4HError(f"images must have shape (n, 3, s, s), but got {tuple(images.shape)}")


def normalised(pixels: Tensor, dtype: torch.dtype, scale: PixelScale = CIFAR10_SCALE) -> Tensor:
    """Network input by `scale`: uint8 ``(n, 3, h, w)`` -> same shape in `dtype`, channels_last."""
    mean = torch.tensor(scale.mean, device=pixels.device).view(1, 3, 1, 1)
    deviation = torch.tensor(scale.deviation, device=pixels.device).view(1, 3, 1, 1)
    scaled = (pixels.float() / SCALE - mean) / deviation
    return scaled.to(dtype).contiguous(memory_format=torch.channels_last)


def resized(images: Tensor, side: int) -> Tensor:
    """Resizes images ``(n, c, s, s)`` to ``(n, c, side, side)``, bilinear with antialiasing."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(
        images.float(), (side, side), mode="bilinear", antialias=True, align_corners=False
    ).to(images.dtype)
