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

SHARE = 0.1
LARGEST = 10_000
"""The search split is a tenth of the training images, at most this many."""


@dataclass(frozen=True)
class Split:
    """Training images cut in two.

    Attributes:
        seed: What drew the cut; None for a data set's own, fixed one.
        train: Indices of the images that may be trained on, ``(n,)``. The first of them, without
            augmentation, calibrate batch norm.
        search: Indices of the images that score subnets, ``(m,)``.

    The first part of either, however long, is a fair sample of it.
    """

    seed: int | None
    train: Tensor
    search: Tensor

    def record(self, data_set: str, content: str) -> dict[str, str]:
        """What a checkpoint's header and a study's fingerprint say of the split.

        Args:
            data_set: Name of the data set.
            content: Digest of what its training images are.
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
    """Holds out a tenth of each class, rounded; less where that would be more than `LARGEST` in all.

    Args:
        labels: Class of each training image, ``(n,)``.
        seed: Draws which images.

    Raises:
        DatasetError: No class has the five images of which one would be held out.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    drawn = labels.numpy()[order]
    share = min(SHARE, LARGEST / len(labels))
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(drawn):
        members = np.flatnonzero(drawn == label)
        held_out[members[: int(share * len(members) + 0.5)]] = True
    if not held_out.any():
        raise DatasetError(
            f"there are {len(labels)} training images, and no class has at least 5: too few to hold some out "
            f"for the search"
        )
    # Drawn again: what is left would begin with the class whose share was full first.
    train, search = (torch.from_numpy(rng.permutation(order[part])) for part in (~held_out, held_out))
    return Split(seed, train, search)


def recorded_seed(record: Mapping[str, Any] | None) -> int | None:
    """Seed in what `Split.record` made; None for a fixed split or no record."""
    seed = FIXED if record is None else record.get("split_seed", FIXED)
    return None if seed == FIXED else int(seed)
