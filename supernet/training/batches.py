"""Deterministic training batches: order and augmentation depend only on seed, epoch and step.

Training can therefore resume at any step, and does not depend on the number of processes or data loader
workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Protocol, TypeGuard

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search_space.errors import H4HError
from supernet.images.labelled_images import Images, LabelledImages
from supernet.training.augmentation import crop_and_flip, image_transform
from supernet.training.distributed import World
from supernet.training.recipe import Recipe
from supernet.training.soft_labels import SoftLabels

Part = tuple[Tensor, Tensor]
"""uint8 ``(n, 3, s, s)`` and class numbers ``(n,)``, or soft labels ``(n, classes)``, on the device."""


class Draw(IntEnum):
    """Purposes of random draws. Draws for different purposes are independent."""

    ORDER = 1
    CROPS = 2
    IMAGE = 3
    STEP = 4
    SUBNETS = 5
    CONFLICT = 6
    VIEW = 7


def seed_sequence(draw: Draw, *numbers: int) -> np.random.SeedSequence:
    """Seed sequence that depends only on `draw` and `numbers` (seed, epoch, step, ...)."""
    return np.random.SeedSequence((draw, *numbers))


def torch_seed(draw: Draw, *numbers: int) -> int:
    """`seed_sequence` as a seed for torch."""
    return int(seed_sequence(draw, *numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def generator(draw: Draw, *numbers: int) -> torch.Generator:
    """`seed_sequence` as a generator of torch."""
    return torch.Generator().manual_seed(torch_seed(draw, *numbers))


class Batches(Protocol):
    """Shares of one process in the batches of a training."""

    steps_per_epoch: int

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        """Batches of epoch `number` (from 0), from `first_step` on, each cut into parts."""
        ...


def make_batches(
    images: Images,
    recipe: Recipe,
    *,
    device: torch.device,
    world: World,
    workers: int,
    soft_labels: SoftLabels | None = None,
) -> Batches:
    """Batches of `images`.

    Squares in memory that a network sees whole are moved to the device and augmented there, a batch at once.
    With RandAugment, and for all other images, torch's data loader augments them one by one.

    Args:
        images: The training images.
        recipe: Batch size, seed and augmentation.
        device: Device of the batches.
        world: The process, among all processes of the training.
        workers: Number of processes of the data loader; 0 reads in this process.
        soft_labels: Targets in place of the classes. Images are then augmented as in the views of the labels.

    Raises:
        H4HError: There are fewer images than a batch has, or the batch cannot be cut into equal parts.
    """
    if len(images) < recipe.batch:
        raise H4HError(
            f"batch must be at most the {len(images)} training images, but got {recipe.batch}: lower --batch"
        )
    if recipe.batch % (world.size * recipe.accumulate):
        raise H4HError(
            f"batch must be a multiple of accumulate x processes = {recipe.accumulate} x {world.size}, "
            f"but got {recipe.batch}"
        )
    if is_cropped_at_once(images, recipe):
        return _MemoryBatches(images, recipe, device, world, soft_labels)
    return _LoaderBatches(images, recipe, device, world, workers, soft_labels)


def is_cropped_at_once(images: Images, recipe: Recipe) -> TypeGuard[LabelledImages]:
    """Whether batches are augmented at once on the device, not image by image."""
    return isinstance(images, LabelledImages) and images.crop is None and not recipe.rand_augment


@dataclass(frozen=True)
class Crops:
    """Crops and flips of several images.

    Attributes:
        offsets: First row and column of each crop in the padded image, ``(n, 2)``.
        flips: Whether each image is mirrored, ``(n,)``.
    """

    offsets: Tensor
    flips: Tensor

    @classmethod
    def draw(cls, count: int, recipe: Recipe, randomness: torch.Generator) -> Crops:
        """Uniform crops of `count` padded images; each is mirrored with the probability in `recipe`."""
        offsets = torch.randint(2 * recipe.crop_padding + 1, (count, 2), generator=randomness)
        return cls(offsets, torch.rand(count, generator=randomness) < recipe.flip)

    def __getitem__(self, indices: Tensor) -> Crops:
        return Crops(self.offsets[indices], self.flips[indices])

    def apply(self, pixels: Tensor, padding: int) -> Tensor:
        """Crops and mirrors `pixels`, ``(n, c, h, w)`` -> the same shape."""
        device = pixels.device
        return crop_and_flip(pixels, self.offsets.to(device), self.flips.to(device), padding=padding)


def view_crops(seed: int, view: int, count: int, recipe: Recipe) -> Crops:
    """Crops of view `view` of all `count` images."""
    return Crops.draw(count, recipe, generator(Draw.VIEW, seed, view))


def view_seed(seed: int, view: int, index: int) -> int:
    """Seed for torch of view `view` of image `index`, for images augmented one by one."""
    return torch_seed(Draw.VIEW, seed, view, index)


def shares(count: int, recipe: Recipe, epoch: int, world: World) -> Tensor:
    """Indices of the images of an epoch for one process, ``(steps, accumulate, images)``.

    A batch is first cut into parts, then each part is divided among the processes. So a part holds the same
    images for any number of processes.
    """
    order = torch.randperm(count, generator=generator(Draw.ORDER, recipe.seed, epoch))
    steps = count // recipe.batch
    cut = order[: steps * recipe.batch].view(steps, recipe.accumulate, world.size, -1)
    return cut[:, :, world.rank]


class _MemoryBatches:
    """Images on the device; each batch is gathered, cropped and flipped there at once."""

    def __init__(
        self,
        images: LabelledImages,
        recipe: Recipe,
        device: torch.device,
        world: World,
        soft_labels: SoftLabels | None,
    ) -> None:
        self._pixels = images.pixels.to(device)
        self._labels = images.labels.to(device)
        self._recipe = recipe
        self._world = world
        self._soft_labels = soft_labels
        self.steps_per_epoch = len(images) // recipe.batch

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        recipe, soft = self._recipe, self._soft_labels
        count, device = len(self._labels), self._pixels.device
        chosen = shares(count, recipe, number, self._world)
        mine = torch.arange(recipe.batch).view(recipe.accumulate, self._world.size, -1)[:, self._world.rank]
        view = 0 if soft is None else number % soft.views
        of_view = None if soft is None else view_crops(soft.seed, view, count, recipe)
        for step in range(first_step, self.steps_per_epoch):
            indices = chosen[step].flatten()
            if soft is None or of_view is None:
                # Drawn for the batch of all processes, so that a crop does not depend on their number.
                draws = generator(Draw.CROPS, recipe.seed, number, step)
                crops = Crops.draw(recipe.batch, recipe, draws)[mine.flatten()]
                targets = self._labels[indices.to(device)]
            else:
                crops = of_view[indices]
                targets = soft.probabilities(view, indices).to(device)
            pixels = crops.apply(self._pixels[indices.to(device)], recipe.crop_padding)
            parts = recipe.accumulate
            yield list(zip(pixels.chunk(parts), targets.chunk(parts), strict=True))


class _LoaderBatches:
    """Images through torch's `DataLoader`, which reads and augments them in worker processes."""

    def __init__(
        self,
        images: Images,
        recipe: Recipe,
        device: torch.device,
        world: World,
        workers: int,
        soft_labels: SoftLabels | None,
    ) -> None:
        self._images = images
        self._recipe = recipe
        self._device = device
        self._world = world
        self._workers = workers
        self._soft_labels = soft_labels
        self.steps_per_epoch = len(images) // recipe.batch

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        recipe, soft = self._recipe, self._soft_labels
        chosen = shares(len(self._images), recipe, number, self._world)[first_step:]
        view = 0 if soft is None else number % soft.views
        seeds = (
            partial(torch_seed, Draw.IMAGE, recipe.seed, number)
            if soft is None
            else partial(view_seed, soft.seed, view)
        )
        loader = DataLoader(
            AugmentedImages(self._images, recipe, seeds),
            batch_size=chosen.shape[-1],
            sampler=chosen.flatten().tolist(),
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            # Without it, torch would draw from its global generator. Images have their own seeds.
            generator=generator(Draw.IMAGE, recipe.seed, number),
        )
        parts = iter(loader)
        for step in chosen:
            batch = []
            for indices in step:
                pixels, labels = next(parts)
                targets = labels if soft is None else soft.probabilities(view, indices)
                batch.append(
                    (
                        pixels.to(self._device, non_blocking=True),
                        targets.to(self._device, non_blocking=True),
                    )
                )
            yield batch


class AugmentedImages(Dataset[tuple[Tensor, int]]):
    """Images, augmented one by one.

    Args:
        images: The images.
        recipe: Augmentation of the images.
        seeds: Returns the seed for torch of the image at an index.
    """

    def __init__(self, images: Images, recipe: Recipe, seeds: Callable[[int], int]) -> None:
        self._images = images
        self._transform = image_transform(recipe, crop=images.crop)
        self._seeds = seeds

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, label = self._images[index]
        # torchvision draws from torch's global generator.
        torch.default_generator.manual_seed(self._seeds(index))
        return self._transform(pixels), label
