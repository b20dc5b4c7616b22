"""Search split: training images held out to score subnets, never trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supernet.checkpoints.header import FIXED
from supernet.images.folder_layouts import DatasetError
from supernet.images.search_share import held_out


@dataclass(frozen=True)
class Split:
    """Split of the training images into images for training and for the search.

    Attributes:
        seed: Random seed of the split; None for the fixed split of a data set.
        train: Indices of the images for training, ``(n,)``. The first of them, without augmentation,
            calibrate batch norm.
        search: Indices of the images that score subnets, ``(m,)``.

    Both orders are random, so the first images of either are a fair sample.
    """

    seed: int | None
    train: Tensor
    search: Tensor

    def record(self, data_set: str, content: str) -> dict[str, str]:
        """Record of the split for a checkpoint's header and a study's fingerprint.

        Args:
            data_set: Name of the data set.
            content: Digest that identifies its training images.
        """
        sha = hashlib.sha256(content.encode())
        for part in (self.train, self.search):
            sha.update(part.numpy().tobytes())
        return {
            "data_set": data_set,
            "split": sha.hexdigest(),
            "split_seed": FIXED if self.seed is None else str(self.seed),
            "split_counts": f"{len(self.train)} for training, {len(self.search)} for search",
        }


def cut(labels: Tensor, seed: int) -> Split:
    """Holds out a tenth of each class, rounded, or a smaller share that keeps to `LARGEST` images in all.

    Of a class with 2 images or more, one is held out at least, so that the search scores every such class.

    Args:
        labels: Class of each training image, ``(n,)``.
        seed: Random seed of the split.

    Raises:
        DatasetError: No class has enough images (2) to hold one out.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    drawn = labels.numpy()[order]
    is_held_out = np.zeros(len(labels), bool)
    for label in np.unique(drawn):
        members = np.flatnonzero(drawn == label)
        is_held_out[members[: held_out(len(members), len(labels))]] = True
    if not is_held_out.any():
        raise DatasetError(
            f"there are {len(labels)} training images, and no class has at least 2: too few to hold some out "
            f"for the search"
        )
    # Shuffled again, since the rest would begin with the class whose share was full first.
    train, search = (torch.from_numpy(rng.permutation(order[part])) for part in (~is_held_out, is_held_out))
    return Split(seed, train, search)


def recorded_seed(record: Mapping[str, Any] | None) -> int | None:
    """Seed in a record of `Split.record`; None for a fixed split or without a record."""
    seed = FIXED if record is None else record.get("split_seed", FIXED)
    return None if seed == FIXED else int(seed)
