"""Soft labels: they belong to the very pixels that training shows, and to nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from search_space.errors import H4HError
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import LabelledImages
from supernet.training.batches import make_batches
from supernet.training.distributed import World
from supernet.training.labelling import augmented_view
from supernet.training.recipe import Recipe, load_recipe
from supernet.training.soft_labels import (
    FORMAT,
    SoftLabelHeader,
    SoftLabels,
    augmentation,
    check_targets,
    fitting_soft_labels,
    load_soft_labels,
    pixel_digest,
    save_soft_labels,
    top_classes,
)

CPU = torch.device("cpu")
RECIPE = replace(load_recipe("joint"), batch=16, precision="fp32")
DATA = {"data_set": "cifar10", "split": "a" * 64}
VIEWS = 3


def header(images: LabelledImages, recipe: Recipe = RECIPE, classes: int = 4) -> SoftLabelHeader:
    return SoftLabelHeader("f" * 64, DATA, pixel_digest(images), augmentation(recipe), 11, VIEWS, classes)


def tagged(images: LabelledImages, recipe: Recipe = RECIPE) -> SoftLabels:
    """Labels that say of which view of which image they are: softmax of (view, number, 0, 0) / 64."""
    views, numbers = torch.meshgrid(
        torch.arange(VIEWS).float(), torch.arange(len(images)).float(), indexing="ij"
    )
    scores = torch.stack([views, numbers, torch.zeros_like(views), torch.zeros_like(views)], dim=2) / 64
    return SoftLabels(header(images, recipe), scores.softmax(2).half(), None, "0" * 64)


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, rand_augment=2)], ids=["at once", "one by one"])
def test_a_label_belongs_to_the_pixels_that_training_shows(
    recipe: Recipe, four_classes: LabelledImages
) -> None:
    images = four_classes[:48]
    labels = tagged(images, recipe)
    by_view = [torch.cat(list(augmented_view(images, recipe, seed=11, number=one))) for one in range(VIEWS)]
    assert not torch.equal(by_view[0], by_view[1])
    source = make_batches(images, recipe, device=CPU, world=World(), workers=0, soft_labels=labels)
    for epoch in range(VIEWS + 1):
        view = epoch % VIEWS
        seen = set()
        for ((pixels, targets),) in source.epoch(epoch, 0):
            scores = 64 * (targets[:, :2].log() - targets[:, 2:3].log())
            numbers = scores[:, 1].round().long()
            assert scores[:, 0].sub(view).abs().max() < 0.2
            assert torch.equal(pixels, by_view[view][numbers])
            seen |= set(numbers.tolist())
        assert seen == set(range(48))


def test_another_seed_gives_other_views(four_classes: LabelledImages) -> None:
    first, second = (
        torch.cat(list(augmented_view(four_classes, RECIPE, seed=seed, number=0))) for seed in (0, 1)
    )
    assert not torch.equal(first, second)


def test_two_processes_see_what_one_sees(four_classes: LabelledImages) -> None:
    labels = tagged(four_classes)

    def targets(world: World) -> list[Tensor]:
        source = make_batches(four_classes, RECIPE, device=CPU, world=world, workers=0, soft_labels=labels)
        return [part for ((_, part),) in source.epoch(1, 3)]

    one = targets(World())
    both = zip(targets(World(0, 2)), targets(World(1, 2)), strict=True)
    for whole, halves in zip(one, both, strict=True):
        assert torch.equal(whole, torch.cat(halves))


def test_what_is_stored_comes_back(four_classes: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    probabilities = torch.randn(VIEWS * 256, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    shares, ranks = top_classes(probabilities, 4)
    assert ranks is None
    save_soft_labels(path, header(four_classes), shares.view(VIEWS, 256, 4), None)
    labels = load_soft_labels(path)
    assert labels.header == header(four_classes)
    found = labels.probabilities(2, torch.tensor([7, 3]))
    expected = probabilities.view(VIEWS, 256, 4)[2, [7, 3]]
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-4)
    torch.testing.assert_close(found.sum(1), torch.ones(2))


def test_classes_left_out_share_the_rest(four_classes: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    probabilities = torch.tensor([[0.1, 0.5, 0.25, 0.15]]).repeat(VIEWS * 256, 1)
    shares, ranks = top_classes(probabilities, 2)
    assert ranks is not None
    shape = (VIEWS, 256, 2)
    save_soft_labels(path, header(four_classes), shares.view(shape), ranks.view(shape))
    found = load_soft_labels(path).probabilities(0, torch.tensor([5]))
    torch.testing.assert_close(found, torch.tensor([[0.125, 0.5, 0.25, 0.125]]))


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        (DATA | {"split": "b" * 64}, {}, "split aaaaaaaaaaaa -> bbbbbbbbbbbb"),
        (DATA | {"data_set": "folder"}, {}, "data_set 'cifar10' -> 'folder'"),
        (DATA, {"rand_augment": 2}, "rand_augment 0 -> 2"),
        (DATA, {"crop_padding": 2}, "crop_padding 4 -> 2"),
    ],
)
def test_labels_of_others_are_refused_by_name(
    data: dict[str, str],
    change: dict[str, int],
    message: str,
    four_classes: LabelledImages,
    tmp_path: Path,
) -> None:
    path = tmp_path / "labels.safetensors"
    save_soft_labels(path, header(four_classes), torch.full((VIEWS, 256, 4), 0.25).half(), None)
    assert fitting_soft_labels(path, four_classes, DATA, RECIPE) is not None
    assert fitting_soft_labels(None, four_classes, DATA, RECIPE) is None
    recipe = replace(RECIPE, **change)  # type: ignore[arg-type]
    with pytest.raises(
        CheckpointError, match=r"use the same in training, or make labels for these by supernet\.label"
    ) as caught:
        fitting_soft_labels(path, four_classes, data, recipe)
    assert message in str(caught.value)


def test_labels_of_other_pixels_are_refused(four_classes: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    save_soft_labels(path, header(four_classes), torch.full((VIEWS, 256, 4), 0.25).half(), None)
    others = LabelledImages(four_classes.pixels.roll(1, dims=3), four_classes.labels)
    with pytest.raises(CheckpointError, match="images "):
        fitting_soft_labels(path, others, DATA, RECIPE)


@pytest.mark.parametrize("damage", ["views", "nan", "ranks", "format", "absent"])
def test_a_damaged_file_is_refused(damage: str, four_classes: LabelledImages, tmp_path: Path) -> None:
    path = tmp_path / "labels.safetensors"
    save_soft_labels(path, header(four_classes), torch.full((VIEWS, 256, 4), 0.25).half(), None)
    tensors, fields = read_tensors(path, FORMAT)
    match damage:
        case "views":
            fields["views"] = 9
        case "nan":
            tensors["shares"][0, 0, 0] = float("nan")
        case "ranks":
            tensors["ranks"] = torch.full((VIEWS, 256, 4), 9, dtype=torch.int16)
        case "format":
            fields["format"] = "h4h-network-1"
    path.unlink()
    if damage != "absent":
        write_tensors(path, tensors, fields)
    with pytest.raises(CheckpointError, match="labels"):
        load_soft_labels(path)


def test_steps_without_the_largest_need_targets() -> None:
    recipe = RECIPE.with_phases(largest_every=[4])
    with pytest.raises(H4HError, match=r"phase 'joint' trains the largest subnet in one of 4 steps"):
        check_targets(recipe, None, None)
    check_targets(replace(recipe, ema=0.9), None, None)
    check_targets(recipe, Path("teacher"), None)
    with pytest.raises(H4HError, match="give one of --teacher and --soft-labels"):
        check_targets(recipe, Path("teacher"), SoftLabels.__new__(SoftLabels))
