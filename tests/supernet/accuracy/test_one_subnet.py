"""Accuracy of a subnet, against counting by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from search_space.errors import H4HError
from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.images import labelled_images as images_module
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network.supernet import Supernet

CPU = torch.device("cpu")


@pytest.fixture
def supernet(small_space: Space) -> Supernet:
    torch.manual_seed(0)
    return Supernet(small_space).eval()


def test_top1_counts_right_classes_over_all_batches(
    supernet: Supernet, four_classes: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    subnet = supernet.space.decode(supernet.space.largest())
    images = four_classes[:100]
    monkeypatch.setattr(images_module, "BATCH", 32)  # three full batches and a short one
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    assert [len(labels) for _, labels in prepared.batches] == [32, 32, 32, 4]
    statistics = one_subnet.record_statistics(supernet, subnet, prepared)
    got = one_subnet.top1(supernet, subnet, prepared, statistics)
    with torch.no_grad():
        logits = supernet(normalised(images.pixels, torch.float32), subnet, statistics)
    assert got == pytest.approx(100 * float((logits.argmax(1) == images.labels).float().mean()))


def test_accuracy_does_not_depend_on_which_subnets_came_before(
    supernet: Supernet, four_classes: LabelledImages
) -> None:
    prepared = one_subnet.prepare(four_classes, precision="fp32", device=CPU)
    rng = np.random.default_rng(0)
    subnets = [supernet.space.decode(supernet.space.sample(rng)) for _ in range(4)]

    def accuracy(index: int) -> float:
        statistics = one_subnet.record_statistics(supernet, subnets[index], prepared)
        return one_subnet.top1(supernet, subnets[index], prepared, statistics)

    forwards = [accuracy(index) for index in range(4)]
    backwards = [accuracy(index) for index in reversed(range(4))]
    assert forwards == backwards[::-1]


def test_scores_that_are_not_finite_name_the_subnet(supernet: Supernet, four_classes: LabelledImages) -> None:
    subnet = supernet.space.decode(supernet.space.smallest())
    prepared = one_subnet.prepare(four_classes, precision="fp32", device=CPU)
    statistics = one_subnet.record_statistics(supernet, subnet, prepared)
    with torch.no_grad():
        supernet.classifier.bias[0] = math.nan
    with pytest.raises(H4HError, match=r"subnet 12px stem8 .* not finite"):
        one_subnet.top1(supernet, subnet, prepared, statistics)


def test_neither_batch_nor_order_of_images_moves_more_than_one_image(
    supernet: Supernet, four_classes: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    subnet = supernet.space.decode(supernet.space.largest())
    images = four_classes[:60]
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    shuffled = replace(images, pixels=images.pixels[order], labels=images.labels[order])

    def accuracy(images: LabelledImages, size: int) -> float:
        monkeypatch.setattr(images_module, "BATCH", size)
        prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
        statistics = one_subnet.record_statistics(supernet, subnet, prepared)
        return one_subnet.top1(supernet, subnet, prepared, statistics)

    assert accuracy(shuffled, 7) == pytest.approx(accuracy(images, 60), abs=100 / 60 + 1e-9)
