"""Results of a gradient conflict measurement, as values that convert to JSON and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from search_space.arrays import Floats
from search_space.files.yaml_document import Document
from supernet.gradient_conflict.subnet_gradients import ParameterGroup


class PairKind(StrEnum):
    """Kinds of the two compared subnets. A CNN has no transformer block, a hybrid has at least one."""

    CNN_CNN = "cnn-cnn"
    HYBRID_HYBRID = "hybrid-hybrid"
    CNN_HYBRID = "cnn-hybrid"


@dataclass(frozen=True)
class Cosines(Document):
    """Statistics of cosines between gradients, each of one pair of subnets and one tensor.

    Attributes:
        mean: Mean over batches of the mean of a batch's cosines.
        standard_error: Standard error of the mean over batches; None for a single batch. Cosines of one batch
            share images and subnets, so only the batches are independent.
        negative: Share of cosines below 0, from 0 to 1.
        count: Number of cosines.
    """

    mean: float
    standard_error: float | None
    negative: float
    count: int


@dataclass(frozen=True)
class ConflictReport(Document):
    """Result of `measure`. `to_dict` and `from_dict` convert it to plain JSON and back.

    Attributes:
        subnets: Number of CNNs per batch, and of hybrids.
        batches: Number of batches.
        images: Number of images in all batches.
        cosines: Cosines by kind of pair and group of parameters. Kinds that the space lacks are left out, as
            are groups that no pair of the kind has in common.
    """

    subnets: int
    batches: int
    images: int
    cosines: dict[PairKind, dict[ParameterGroup, Cosines]]


def summarise(batches: Sequence[Sequence[float] | Floats]) -> Cosines:
    """Summarises the cosines of each batch; no batch may be empty."""
    means = [float(np.mean(batch)) for batch in batches]
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    pooled = np.concatenate(batches)
    return Cosines(
        mean=float(np.mean(means)),
        standard_error=error,
        negative=float(np.mean(pooled < 0)),
        count=len(pooled),
    )
