"""Data augmentation: crops and flips, RandAugment, mixup and cutmix.

Crops and flips of a whole batch at once, each image with its own, run on the device that holds the images.
Everything else is torchvision's, whose import takes longer than torch's: only what needs it waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from supernet.training.recipe import Recipe

if TYPE_CHECKING:
    from torchvision.transforms import v2


def crop_and_flip(pixels: Tensor, offsets: Tensor, flips: Tensor, *, padding: int) -> Tensor:
    """Pads each image with a black margin, crops it to its size, and mirrors some images.

    Args:
        pixels: ``(n, c, h, w)``.
        offsets: ``(n, 2)``, int64, from 0 to twice `padding`: first row and column of each crop.
        flips: ``(n,)``, bool: whether each image is mirrored left to right.
        padding: Width of the margin.

    Returns:
        The same shape.
    """
    images, channels, height, width = pixels.shape
    device = pixels.device
    rows = offsets[:, :1] + torch.arange(height, device=device)  # (n, h)
    columns = torch.arange(width, device=device).expand(images, -1)
    columns = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - columns, columns)  # (n, w)
    padded = F.pad(pixels, [padding] * 4)
    return padded[
        torch.arange(images, device=device).view(-1, 1, 1, 1),
        torch.arange(channels, device=device).view(1, -1, 1, 1),
        rows.view(images, 1, height, 1),
        columns.view(images, 1, 1, width),
    ]


def image_transform(recipe: Recipe, *, crop: int | None) -> v2.Transform:
    """Augmentation of one image, uint8 ``(c, h, w)``, in a data loader.

    Args:
        recipe: Padding or scale of crops, share of mirrored images, and RandAugment.
        crop: Side of the random resized crop; None for a crop of the image's own size after padding.
    """
    from torchvision.transforms import v2

    first: v2.Transform | _PaddedCrop = (
        _PaddedCrop(recipe.crop_padding)
        if crop is None
        else v2.RandomResizedCrop(crop, scale=(recipe.crop_scale, 1.0), antialias=True)
    )
    steps = [first, v2.RandomHorizontalFlip(recipe.flip)]
    if recipe.rand_augment:
        steps.append(v2.RandAugment(recipe.rand_augment, magnitude=recipe.magnitude))
    return v2.Compose(steps)


class _PaddedCrop:
    """`crop_and_flip`'s crop for one image, by torchvision."""

    def __init__(self, padding: int) -> None:
        self._padding = padding

    def __call__(self, image: Tensor) -> Tensor:
        from torchvision.transforms import v2

        cropped: Tensor = v2.RandomCrop(image.shape[-2:], padding=self._padding)(image)
        return cropped


def mixing(recipe: Recipe, classes: int) -> v2.Transform | None:
    """Mixup, cutmix, or for each batch one of them; None if the recipe has neither.

    It turns images ``(n, c, h, w)`` and class numbers ``(n,)`` into mixed images and class probabilities
    ``(n, classes)``.
    """
    if recipe.mixup <= 0 and recipe.cutmix <= 0:
        return None
    from torchvision.transforms import v2

    kinds = {v2.MixUp: recipe.mixup, v2.CutMix: recipe.cutmix}
    chosen = [kind(alpha=alpha, num_classes=classes) for kind, alpha in kinds.items() if alpha > 0]
    return v2.RandomChoice(chosen)
