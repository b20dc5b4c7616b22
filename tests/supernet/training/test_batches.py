"""Batches: each image once, the same whatever reads them, from any step on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from search_space.errors import H4HError
from supernet.images.labelled_images import Images, LabelledImages
from supernet.training.batches import Batches, Part, make_batches
from supernet.training.distributed import World
from supernet.training.recipe import Recipe, load_recipe

CPU = torch.device("cpu")
RECIPE = replace(load_recipe("two_phase"), batch=16)


class Files(Images):
    """Images of different sizes; the label is the number."""

    labels = torch.arange(50)
    crop = 12

    def subset(self, indices: Tensor) -> Images:
        raise NotImplementedError

    def evaluated(self) -> Iterator[LabelledImages]:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.full((3, 20 + index % 7, 30 - index % 5), index, dtype=torch.uint8), index


def memory() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(1, 256, (50, 3, 8, 8), generator=generator, dtype=torch.uint8)
    return LabelledImages(pixels, torch.arange(50))


def batches(images: Images, recipe: Recipe = RECIPE, world: World = World(), workers: int = 0) -> Batches:  # noqa: B008
    return make_batches(images, recipe, device=CPU, world=world, workers=workers)


def joined(parts: list[Part]) -> tuple[Tensor, Tensor]:
    return torch.cat([pixels for pixels, _ in parts]), torch.cat([labels for _, labels in parts])


def equal(first: list[list[Part]], second: list[list[Part]]) -> bool:
    pairs = zip(map(joined, first), map(joined, second), strict=True)
    return all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs)


@pytest.mark.parametrize("images", [memory(), Files()], ids=["memory", "files"])
def test_an_epoch_has_each_image_once_in_an_order_of_its_own(images: Images) -> None:
    source = batches(images)
    assert source.steps_per_epoch == 3
    orders = [torch.cat([joined(parts)[1] for parts in source.epoch(number, 0)]) for number in (0, 1, 0)]
    assert [len(set(order.tolist())) for order in orders] == [48, 48, 48]
    assert torch.equal(orders[0], orders[2])
    assert not torch.equal(orders[0], orders[1])


@pytest.mark.parametrize("images", [memory(), Files()], ids=["memory", "files"])
@pytest.mark.parametrize("rand_augment", [0, 2])
def test_an_epoch_goes_on_from_any_step_with_the_same_bits(images: Images, rand_augment: int) -> None:
    recipe = replace(RECIPE, rand_augment=rand_augment)
    whole = list(batches(images, recipe).epoch(3, 0))
    torch.rand(7)  # whatever else draws
    assert equal(whole[2:], list(batches(images, recipe).epoch(3, 2)))
    assert not equal(whole[2:], list(batches(images, replace(recipe, seed=1)).epoch(3, 2)))


def test_workers_change_nothing() -> None:
    assert equal(list(batches(Files()).epoch(0, 0)), list(batches(Files(), workers=2).epoch(0, 0)))


@pytest.mark.parametrize("images", [memory(), Files()], ids=["memory", "files"])
def test_processes_share_each_part_of_a_batch(images: Images) -> None:
    recipe = replace(RECIPE, accumulate=2)
    alone = list(batches(images, recipe).epoch(0, 0))
    assert [[len(labels) for _, labels in parts] for parts in alone] == [[8, 8]] * 3
    shares = [list(batches(images, recipe, World(rank, 4)).epoch(0, 0)) for rank in range(4)]
    for step, parts in enumerate(alone):
        for number, (pixels, labels) in enumerate(parts):
            of_all = [share[step][number] for share in shares]
            assert torch.equal(torch.cat([part[0] for part in of_all]), pixels)
            assert torch.equal(torch.cat([part[1] for part in of_all]), labels)


def test_images_in_memory_keep_their_size_and_files_are_cut() -> None:
    assert joined(next(iter(batches(memory()).epoch(0, 0))))[0].shape == (16, 3, 8, 8)
    pixels, labels = joined(next(iter(batches(Files()).epoch(0, 0))))
    assert (pixels.shape, pixels.dtype) == ((16, 3, 12, 12), torch.uint8)
    assert torch.equal(pixels[:, 0, 0, 0].long(), labels)


def test_images_in_memory_that_show_more_than_networks_see_are_cut() -> None:
    images = replace(memory(), crop=6)
    pixels, labels = joined(next(iter(batches(images).epoch(0, 0))))
    assert pixels.shape == (16, 3, 6, 6)
    assert len(labels) == 16


def test_a_batch_that_cannot_be_had() -> None:
    with pytest.raises(H4HError, match="batch must be at most the 50 training images, but got 64"):
        batches(memory(), replace(RECIPE, batch=64))
    with pytest.raises(H4HError, match=r"a multiple of accumulate x processes = 2 x 3, but got 16"):
        batches(memory(), replace(RECIPE, accumulate=2), World(0, 3))
