"""Training batches: which images, in which order, changed how. All of it follows from seed, epoch and step.

So training goes on from any step, and does not depend on the number of processes or of data loader workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from search_space.errors import H4HError
from supernet.images.labelled_images import Images, LabelledImages
from supernet.training.augmentation import crop_and_flip, image_transform
from supernet.training.distributed import World
from supernet.training.recipe import Recipe

Part = tuple[Tensor, Tensor]
"""uint8 ``(n, 3, s, s)`` and class numbers ``(n,)``, on the device."""


class Draw(IntEnum):
    """What something random is drawn for. Draws for different purposes have nothing to do with each other."""

    ORDER = 1
    CROPS = 2
    IMAGE = 3
    STEP = 4
    SUBNETS = 5
    CONFLICT = 6


def seed_sequence(draw: Draw, *numbers: int) -> np.random.SeedSequence:
    """Randomness that follows from `draw` and `numbers` (seed, epoch, step, ...)."""
    return np.random.SeedSequence((draw, *numbers))


def torch_seed(draw: Draw, *numbers: int) -> int:
    """The same as a seed for torch."""
    return int(seed_sequence(draw, *numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _generator(draw: Draw, *numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(torch_seed(draw, *numbers))


class Batches(Protocol):
    """Gives a process its share of each batch."""

    steps_per_epoch: int

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        """Batches of epoch `number` (from 0) from `first_step` on, each cut into the recipe's parts."""
        ...


def make_batches(
    images: Images, recipe: Recipe, *, device: torch.device, world: World, workers: int
) -> Batches:
    """Batches of `images`.

    Squares in memory that a network sees whole are moved to the device and changed there, a batch at once,
    unless the recipe has RandAugment. All others go one by one through torch's data loader.

    Args:
        images: The training images.
        recipe: Batch size, seed, augmentation.
        device: Where batches are wanted.
        world: Whose share of each batch.
        workers: Processes of the data loader; 0 for this one.

    Raises:
        H4HError: Fewer images than a batch, or a batch that cannot be cut as asked.
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
    if isinstance(images, LabelledImages) and images.crop is None and not recipe.rand_augment:
        return _MemoryBatches(images, recipe, device, world)
    return _LoaderBatches(images, recipe, device, world, workers)


def shares(count: int, recipe: Recipe, epoch: int, world: World) -> Tensor:
    """Numbers of the images of an epoch, ``(steps, accumulate, images)``, for one process.

    A batch is cut into parts first and each part among the processes then, so that a part holds the same
    images whatever the number of processes.
    """
    order = torch.randperm(count, generator=_generator(Draw.ORDER, recipe.seed, epoch))
    steps = count // recipe.batch
    cut = order[: steps * recipe.batch].view(steps, recipe.accumulate, world.size, -1)
    return cut[:, :, world.rank]


class _MemoryBatches:
    """Images on the device; each batch is gathered, cropped and flipped there at once."""

    def __init__(self, images: LabelledImages, recipe: Recipe, device: torch.device, world: World) -> None:
        self._pixels = images.pixels.to(device)
        self._labels = images.labels.to(device)
        self._recipe = recipe
        self._world = world
        self.steps_per_epoch = len(images) // recipe.batch

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        recipe = self._recipe
        device = self._pixels.device
        chosen = shares(len(self._labels), recipe, number, self._world).to(device)
        mine = torch.arange(recipe.batch).view(recipe.accumulate, self._world.size, -1)[:, self._world.rank]
        for step in range(first_step, self.steps_per_epoch):
            # Drawn for the batch of all processes, so that an image's crop does not depend on their number.
            draws = _generator(Draw.CROPS, recipe.seed, number, step)
            offsets = torch.randint(2 * recipe.crop_padding + 1, (recipe.batch, 2), generator=draws)
            flips = torch.rand(recipe.batch, generator=draws) < 0.5
            indices = chosen[step].flatten()
            pixels = crop_and_flip(
                self._pixels[indices],
                offsets[mine.flatten()].to(device),
                flips[mine.flatten()].to(device),
                padding=recipe.crop_padding,
            )
            parts = recipe.accumulate
            yield list(zip(pixels.chunk(parts), self._labels[indices].chunk(parts), strict=True))


class _LoaderBatches:
    """torch's DataLoader, which reads and changes images in worker processes."""

    def __init__(
        self, images: Images, recipe: Recipe, device: torch.device, world: World, workers: int
    ) -> None:
        self._images = images
        self._recipe = recipe
        self._device = device
        self._world = world
        self._workers = workers
        self.steps_per_epoch = len(images) // recipe.batch

    def epoch(self, number: int, first_step: int) -> Iterator[list[Part]]:
        recipe = self._recipe
        chosen = shares(len(self._images), recipe, number, self._world)[first_step:]
        loader = DataLoader(
            _Changed(self._images, recipe, number),
            batch_size=chosen.shape[-1],
            sampler=chosen.flatten().tolist(),
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            # torch would draw the workers' seeds from its global state; ours come from the image's number.
            generator=_generator(Draw.IMAGE, recipe.seed, number),
        )
        parts = iter(loader)
        for _ in range(len(chosen)):
            batch = [next(parts) for _ in range(recipe.accumulate)]
            yield [
                (pixels.to(self._device, non_blocking=True), labels.to(self._device, non_blocking=True))
                for pixels, labels in batch
            ]


class _Changed(Dataset[tuple[Tensor, int]]):
    """Images as epoch `epoch` changes them; how depends on the image's number alone."""

    def __init__(self, images: Images, recipe: Recipe, epoch: int) -> None:
        self._images = images
        self._transform = image_transform(recipe, crop=images.crop)
        self._seed = recipe.seed
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, label = self._images[index]
        # torchvision draws from torch's global state.
        torch.default_generator.manual_seed(torch_seed(Draw.IMAGE, self._seed, self._epoch, index))
        return self._transform(pixels), label
