"""Accuracy of a brought model's subnets before any training, and of the file that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from search_space.genotype import Genotype
from supernet.accuracy import one_subnet
from supernet.checkpoints.image_input import PixelScale
from supernet.images.labelled_images import Images
from supernet.network.batch_norm import Recorded, Site
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint
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


@dataclass(frozen=True)
class FileWorth:
    """Top-1 accuracies in % of the largest subnet as a checkpoint holds it.

    Attributes:
        images: Number of images that are classified.
        own_statistics: With the model's own batch-norm statistics.
        recorded_statistics: With statistics recorded on calibration images.
    """

    images: int
    own_statistics: float
    recorded_statistics: float

    def __str__(self) -> str:
        return (
            f"top-1 of the written float16 file on {self.images} search images: largest "
            f"{self.own_statistics:.1f} % with the model's batch-norm statistics, "
            f"{self.recorded_statistics:.1f} % with recorded ones"
        )


class Scorer:
    """Top-1 accuracies of subnets on given images, on the CPU in float32.

    Args:
        search: Images that are classified.
        calibration: Images whose batch-norm statistics subnets get.
        scale: Normalisation of the pixels.

    Attributes:
        images: Number of images that are classified.

    Raises:
        DatasetError: An image cannot be read.
    """

    def __init__(self, search: Images, calibration: Images, scale: PixelScale) -> None:
        self._scored, self._recorded = (
            one_subnet.prepare(images, precision="fp32", device=torch.device("cpu"), scale=scale)
            for images in (search, calibration)
        )
        self.images = len(self._scored)

    def top1(self, supernet: Supernet, genotype: Genotype, statistics: Recorded | None = None) -> float:
        """Top-1 accuracy in % of one subnet, by default with recorded statistics."""
        subnet = supernet.space.decode(genotype)
        statistics = statistics or one_subnet.record_statistics(supernet, subnet, self._recorded)
        return one_subnet.top1(supernet, subnet, self._scored, statistics)

    def worth(self, mine: BroughtModel) -> Worth:
        """Accuracies of the largest subnet of a brought model and of random ones, before training."""
        space = mine.space
        rng = np.random.default_rng(SUBNETS_SEED)
        genotypes = [space.sample(rng) for _ in range(SUBNETS)]
        return Worth(
            self.images,
            self.top1(mine.supernet, space.largest(), mine.statistics),
            self.top1(mine.supernet, space.largest()),
            tuple(self.top1(mine.unsorted[0], genotype) for genotype in genotypes),
            tuple(self.top1(mine.supernet, genotype) for genotype in genotypes),
        )

    def file_worth(self, checkpoint: Path, mine: BroughtModel) -> FileWorth:
        """Accuracies of the largest subnet of a brought model with the weights of its file.

        Args:
            checkpoint: As `BroughtModel.save` wrote it.
            mine: The brought model, for its own batch-norm statistics, which the file lacks.

        Raises:
            CheckpointError: The file cannot be read.
        """
        supernet = load_checkpoint(checkpoint)
        largest = supernet.space.largest()
        own = self.top1(supernet, largest, _of_copy(mine.statistics, mine.supernet, supernet))
        return FileWorth(self.images, own, self.top1(supernet, largest))


def _of_copy(statistics: Recorded, supernet: Supernet, copy: Supernet) -> Recorded:
    """The statistics of the layers of a supernet for those of another one of the same space."""
    layers = zip(supernet.modules(), copy.modules(), strict=True)
    known = statistics.statistics
    return Recorded(
        {
            other: known[layer]
            for layer, other in layers
            if isinstance(layer, Site) and isinstance(other, Site) and layer in known
        }
    )
