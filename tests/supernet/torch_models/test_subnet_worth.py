"""Accuracies of brought models: of the model in memory, and of the file that holds it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from supernet.checkpoints.image_input import PixelScale
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.torch_models.brought_model import BroughtModel
from supernet.torch_models.subnet_worth import Scorer
from tests.supernet.torch_models.trained_models import DEVIATION, MEAN, SIDE, brought, mobile

SCALE = PixelScale(MEAN, DEVIATION)
IMAGES = 12


@pytest.fixture(scope="module")
def mine() -> BroughtModel:
    return brought(mobile())


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=torch.uint8)


def scorer(pixels: torch.Tensor, labels: torch.Tensor) -> Scorer:
    images = LabelledImages(pixels, labels)
    return Scorer(images, images, SCALE)


@torch.no_grad()
def predicted(mine: BroughtModel, pixels: torch.Tensor) -> torch.Tensor:
    """Classes by the largest subnet with weights in float16 and the model's own statistics."""
    rounded = copy.deepcopy(mine)
    for tensor in rounded.supernet.state_dict().values():
        tensor.copy_(tensor.half())
    largest = mine.space.decode(mine.space.largest())
    scores: torch.Tensor = rounded.supernet(
        normalised(pixels, torch.float32, SCALE), largest, rounded.statistics
    )
    return scores.argmax(1)


def test_the_file_classifies_as_rounded_weights_do(
    mine: BroughtModel, pixels: torch.Tensor, tmp_path: Path
) -> None:
    labels = predicted(mine, pixels)
    labels[:3] = (labels[:3] + 1) % 10  # three wrong ones of twelve
    figures = scorer(pixels, labels).file_worth(mine.save(tmp_path), mine)
    assert figures.own_statistics == 75
    assert (
        f"top-1 of the written float16 file on {IMAGES} search images: largest 75.0 % with the model's "
        f"batch-norm statistics, {figures.recorded_statistics:.1f} % with recorded ones"
    ) == str(figures)


def test_the_weights_are_those_of_the_file(mine: BroughtModel, pixels: torch.Tensor, tmp_path: Path) -> None:
    silent = copy.deepcopy(mine)
    with torch.no_grad():
        for name, parameter in silent.supernet.named_parameters():
            if parameter.shape[0] == 10:  # the classifier
                parameter.zero_()
                parameter[7] = 1.0 if name.endswith("bias") else 0.0
    path = silent.save(tmp_path)
    labels = torch.tensor([7] * 4 + [1] * 8)
    figures = scorer(pixels, labels).file_worth(path, mine)
    assert (figures.own_statistics, figures.recorded_statistics) == (100 * 4 / 12, 100 * 4 / 12)
