"""Augmented views of training images in the order of the images, as training with soft labels shows them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from supernet.batches import AugmentedImages, is_cropped_at_once, view_crops, view_seed
from supernet.images import BATCH, Images
from supernet.recipe import Recipe


def view(images: Images, recipe: Recipe, *, seed: int, number: int, workers: int = 0) -> Iterator[Tensor]:
    """View `number` of all `images`, in batches, uint8 ``(n, 3, s, s)``.

    Args:
        images: Training images.
        recipe: Their augmentation.
        seed: Random seed of the views.
        number: Which view, from 0.
        workers: Processes that augment, where images are augmented one by one; 0 for this one.
    """
    if is_cropped_at_once(images, recipe):
        crops = view_crops(seed, number, len(images), recipe.crop_padding)
        for indices in torch.arange(len(images)).split(BATCH):
            yield crops[indices].apply(images.pixels[indices], recipe.crop_padding)
        return
    augmented = AugmentedImages(images, recipe, partial(view_seed, seed, number))
    for pixels, _ in DataLoader(augmented, batch_size=BATCH, num_workers=workers):
        yield pixels
