"""Crops, flips, mixing."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from supernet.training.augmentation import crop_and_flip, image_transform, mixing
from supernet.training.recipe import load_recipe

RECIPE = load_recipe("two_phase")


@given(st.integers(0, 2**31), st.integers(0, 5), st.sampled_from([(6, 6), (5, 8)]))
def test_the_batch_is_what_torchvision_makes_of_each_image(
    seed: int, padding: int, size: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (7, 3, *size), generator=generator, dtype=torch.uint8)
    offsets = torch.randint(2 * padding + 1, (7, 2), generator=generator)
    flips = torch.rand(7, generator=generator) < 0.5
    changed = crop_and_flip(pixels, offsets, flips, padding=padding)
    for image, (top, left), flip, result in zip(
        pixels, offsets.tolist(), flips.tolist(), changed, strict=True
    ):
        expected = F.crop(F.pad(image, [padding] * 4), top, left, *size)
        assert torch.equal(result, F.horizontal_flip(expected) if flip else expected)


def test_images_of_any_size_are_cut_to_one() -> None:
    transform = image_transform(replace(RECIPE, rand_augment=2), crop=24)
    for size in ((40, 31), (24, 24), (13, 200)):
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
        result = transform(image)
        assert (result.shape, result.dtype) == ((3, 24, 24), torch.uint8)


def test_rand_augment_changes_more_than_crops_do() -> None:
    image = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    torch.manual_seed(0)
    plain = image_transform(replace(RECIPE, crop_padding=0), crop=None)
    assert all(torch.equal(plain(image), image) for _ in range(5))
    changed = image_transform(replace(RECIPE, crop_padding=0, rand_augment=2), crop=None)
    assert any(not torch.equal(changed(image), image) for _ in range(5))


def test_mixed_labels_are_the_shares_of_the_images() -> None:
    assert mixing(RECIPE, 4) is None
    images = torch.stack([torch.full((3, 8, 8), float(value)) for value in range(4)])
    for mixup, cutmix in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        mix = mixing(replace(RECIPE, mixup=mixup, cutmix=cutmix), 4)
        assert mix is not None
        for _ in range(4):
            mixed, labels = mix(images, torch.arange(4))
            # Each image is one number throughout, its label's, so its mean is the mean label.
            torch.testing.assert_close(mixed.mean((1, 2, 3)), labels @ torch.arange(4.0))
