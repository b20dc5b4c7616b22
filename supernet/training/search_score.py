"""Accuracy on search images after each epoch of a training, from a sample of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.images.data_sets import ImageData
from supernet.images.labelled_images import Images
from supernet.images.search_split import Split
from supernet.network.supernet import Supernet
from supernet.training.phases import Phase
from supernet.training.step_subnets import sandwich

MOST_SCORED = 1_000
"""Number of search images that score an epoch; all of a smaller split.

The standard error of an accuracy on 1,000 images is at most 1.6 points.
"""
CALIBRATED_ON = 256
"""Number of training images whose batch-norm statistics the subnets of a supernet get."""


@dataclass(frozen=True)
class SearchScore:
    """Images that score a training after each epoch. It does not affect the training.

    Attributes:
        search: The first search images.
        calibration: The first training images, without augmentation.
        device: Device of the computation.
    """

    search: Images
    calibration: Images
    device: torch.device

    @classmethod
    def of(cls, data: ImageData, split: Split, device: torch.device) -> SearchScore:
        """The images of a data set's split."""
        return cls(
            data.train.subset(split.search[:MOST_SCORED]),
            data.train.subset(split.train[:CALIBRATED_ON]),
            device,
        )

    def accuracies(self, supernet: Supernet, space: Space, phase: Phase) -> dict[str, float]:
        """Top-1 accuracy in % of the largest and the smallest subnet of a phase, by kind.

        Raises:
            H4HError: A class score is not finite; names the subnet.
        """
        ends = sandwich(space, replace(phase, random_subnets=0), np.random.default_rng(0))
        calibration = one_subnet.prepare(
            self.calibration, precision="fp32", device=self.device, scale=supernet.pixel_scale
        )
        result = {}
        for kind, subnet in ends:
            statistics = one_subnet.record_statistics(supernet, subnet, calibration)
            right = sum(
                one_subnet.right(supernet, subnet, batch, labels, statistics)
                for batch, labels in one_subnet.stream(
                    self.search, precision="fp32", device=self.device, scale=supernet.pixel_scale
                )
            )
            result[kind] = 100 * right / len(self.search)
        return result
