"""Accuracy of a brought model's subnets before any training, with and without sorted channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from supernet.accuracy import one_subnet
from supernet.images.labelled_images import Images
from supernet.network.batch_norm import Recorded
from supernet.network.supernet import Supernet
from supernet.torch_models.brought_model import BroughtModel

SUBNETS = 8
"""Number of random subnets."""
SUBNETS_SEED = 0


@dataclass(frozen=True)
class Worth:
    """Top-1 accuracies in %.

    Attributes:
        images: Number of images that are classified.
        own_statistics: The largest subnet with the model's own batch-norm statistics.
        recorded_statistics: The largest subnet with statistics recorded on calibration images.
        unsorted: Random subnets with hidden channels in the model's order.
        by_importance: The same subnets with hidden channels by importance.
    """

    images: int
    own_statistics: float
    recorded_statistics: float
    unsorted: tuple[float, ...]
    by_importance: tuple[float, ...]

    def __str__(self) -> str:
        better = sum(a > b for a, b in zip(self.by_importance, self.unsorted, strict=True))
        return (
            f"top-1 on {self.images} search images: largest {self.own_statistics:.1f} % with the model's "
            f"batch-norm statistics, {self.recorded_statistics:.1f} % with recorded ones; "
            f"{len(self.unsorted)} random subnets before training {np.mean(self.unsorted):.1f} %, "
            f"with sorted channels {np.mean(self.by_importance):.1f} % (better in {better})"
        )


def worth(mine: BroughtModel, search: Images, calibration: Images) -> Worth:
    """Accuracies of the largest subnet and of random subnets, on the CPU in float32.

    Args:
        mine: The brought model.
        search: Images that are classified.
        calibration: Images whose batch-norm statistics the subnets get.

    Raises:
        DatasetError: An image cannot be read.
    """
    scored, recorded = (
        one_subnet.prepare(
            images, precision="fp32", device=torch.device("cpu"), scale=mine.supernet.pixel_scale
        )
        for images in (search, calibration)
    )
    space = mine.space
    rng = np.random.default_rng(SUBNETS_SEED)
    genotypes = [space.sample(rng) for _ in range(SUBNETS)]

    def top1(supernet: Supernet, genotype: tuple[int, ...], statistics: Recorded | None = None) -> float:
        subnet = space.decode(genotype)
        statistics = statistics or one_subnet.record_statistics(supernet, subnet, recorded)
        return one_subnet.top1(supernet, subnet, scored, statistics)

    return Worth(
        len(scored),
        top1(mine.supernet, space.largest(), mine.statistics),
        top1(mine.supernet, space.largest()),
        tuple(top1(mine.unsorted[0], genotype) for genotype in genotypes),
        tuple(top1(mine.supernet, genotype) for genotype in genotypes),
    )
