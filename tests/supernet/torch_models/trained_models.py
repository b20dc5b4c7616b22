"""Small torch models with weights of real spread, whose batch-norm statistics are those of a few batches."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import MobileNetV2

from supernet.torch_models.brought_model import BroughtModel, from_torch

SIDE = 32
MEAN, DEVIATION = (0.5, 0.25, 0.5), (0.5, 0.5, 0.25)
BLOCKS = [[1, 16, 1, 1], [3, 24, 2, 2], [6, 32, 3, 2]]
"""Expansion, width, number and stride of the blocks of each stage, before the width is multiplied."""
OPTIONS: dict[str, Any] = {"width_mult": 0.35, "num_classes": 10, "inverted_residual_setting": BLOCKS}


def mobile(**options: Any) -> MobileNetV2:
    """A MobileNetV2 of 6 blocks, as if it were trained."""
    return trained(untrained(**options))


def untrained(**options: Any) -> MobileNetV2:
    """The same with the weights that torchvision draws, for tests of the shape alone."""
    torch.manual_seed(0)
    return MobileNetV2(**{**OPTIONS, **options})


def trained(model: nn.Module, side: int = SIDE) -> Any:
    """`model` with weights of real spread, in training mode."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.1)
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(images(16, side))
    return model


def images(count: int, side: int = SIDE) -> Tensor:
    """Random images ``(count, 3, side, side)`` with areas of different colours."""
    areas = F.interpolate(torch.randn(count, 3, 3, 3), (side, side), mode="bilinear")
    return areas + 0.3 * torch.randn(count, 3, side, side)


def brought(model: nn.Module, name: str = "mine", side: int = SIDE) -> BroughtModel:
    return from_torch(model, side=side, mean=MEAN, deviation=DEVIATION, name=name)
