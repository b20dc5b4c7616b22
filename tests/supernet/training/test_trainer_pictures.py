"""Settings of a supernet's training that depend on the pictures: mirror images and class weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.checkpoints.image_input import BALANCED, CLASS_WEIGHTS, NONE
from supernet.images.labelled_images import LabelledImages
from tests.supernet.training.test_supernet_trainer import CPU, RECIPE, equal, trained, weights


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_the_share_of_mirrored_images_reaches_the_crops(
    small_space: Space, four_classes: LabelledImages, flip: float
) -> None:
    """All images mirrored in the data and again in training are the images themselves."""
    recipe = replace(RECIPE, crop_padding=0)
    mirrored = LabelledImages(four_classes.pixels.flip(3), four_classes.labels)
    plain = trained(small_space, four_classes, replace(recipe, flip=flip))
    again = trained(small_space, mirrored, replace(recipe, flip=1 - flip))
    assert equal(weights(plain), weights(again))
    other = trained(small_space, mirrored, replace(recipe, flip=flip))
    assert not equal(weights(plain), weights(other))


@pytest.mark.slow
def test_mirror_images_are_told_apart_without_flips_only(
    small_space: Space, four_classes: LabelledImages
) -> None:
    """Each class is the mirror image of the other: bright on the left, or on the right."""
    images = LabelledImages(four_classes.pixels, four_classes.labels % 2)
    unseen = LabelledImages(images.pixels.flip(3), 1 - images.labels)
    prepared = one_subnet.prepare(unseen, precision="fp32", device=CPU)
    subnet = small_space.decode(small_space.largest())
    found = {}
    for flip, epochs in ((0.0, 6), (0.5, 2)):
        recipe = replace(RECIPE, crop_padding=2, flip=flip).with_phases(epochs=[epochs])
        supernet = trained(small_space, images, recipe).supernet
        statistics = one_subnet.record_statistics(supernet, subnet, prepared)
        found[flip] = one_subnet.top1(supernet, subnet, prepared, statistics)
    assert found[0.0] >= 95
    assert found[0.5] < 75  # half of each class is the other


def test_balanced_classes_find_the_rare_one(small_space: Space, four_classes: LabelledImages) -> None:
    """Pixels say nothing of the class, so equal weights end with the frequent one."""
    pixels = torch.full_like(four_classes.pixels, 128)
    images = LabelledImages(pixels, (torch.arange(len(pixels)) % 8 == 0).long())
    found = {}
    for kind in CLASS_WEIGHTS:
        phase = replace(RECIPE.phases[0], epochs=6)
        recipe = replace(RECIPE, phases=(phase,), class_weights=kind)
        found[kind] = trained(small_space, images, recipe).result.state_dict()["classifier.bias"][:2]
    assert (found[NONE][0] - found[NONE][1]).item() > (found[BALANCED][0] - found[BALANCED][1]).item()
