"""What a measurement of gradient conflict says, as a value that turns into JSON and back."""

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
    """Which two kinds of subnet are compared. A CNN has no transformer block, a hybrid at least one."""

    CNN_CNN = "cnn-cnn"
    HYBRID_HYBRID = "hybrid-hybrid"
    CNN_HYBRID = "cnn-hybrid"


@dataclass(frozen=True)
class Cosines(Document):
    """Cosines between gradients, each of one pair of subnets on one tensor.

    Attributes:
        mean: Mean over batches of the mean of a batch's cosines.
        standard_error: Of the mean, from the spread of the batches' means: cosines of one batch share images
            and subnets and are not independent, batches are. None if there was one batch.
        negative: Share of cosines below 0, from 0 to 1.
        count: Number of cosines.
    """

    mean: float
    standard_error: float | None
    negative: float
    count: int


@dataclass(frozen=True)
class ConflictReport(Document):
    """What `measure` found. `to_dict` and `from_dict` turn it into plain JSON and back.

    Attributes:
        subnets: CNNs, and as many hybrids, drawn for each batch.
        batches: Number of batches.
        images: Number of images in all batches together.
        cosines: By kind of pair and group of parameters. Kinds that the space does not have are left out,
            and so are groups that no pair of the kind has in common.
    """

    subnets: int
    batches: int
    images: int
    cosines: dict[PairKind, dict[ParameterGroup, Cosines]]


def summarise(batches: Sequence[Sequence[float] | Floats]) -> Cosines:
    """Of the cosines of each batch; none may be empty."""
    means = [float(np.mean(batch)) for batch in batches]
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    pooled = np.concatenate(batches)
    return Cosines(
        mean=float(np.mean(means)),
        standard_error=error,
        negative=float(np.mean(pooled < 0)),
        count=len(pooled),
    )
