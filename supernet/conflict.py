"""How far gradients of subnets conflict, by kind of subnet and by kind of parameter.

    python -m supernet.conflict --checkpoint runs/cifar32/checkpoint.safetensors --plot conflict.png

H4H (ASP-DAC 2025) says that convolution and transformer blocks pull shared weights in conflicting directions
and trains them in two phases for that reason; NASViT (ICLR 2022) finds the same between the subnets of a ViT
supernet. Measured is the cosine between gradients of two random subnets (see `gradients`), all on the same
images, with labels as the only teacher, so that it means the same for every recipe.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from search_space.document import Document
from search_space.errors import H4HError
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.gradients import ParameterGroup, cosines_by_group, gradient, parameter_groups
from supernet.model import Supernet
from supernet.phases import without_vit

ATTEMPTS = 1000
"""Draws for one more subnet before a space is said to hold too few."""


class PairKind(StrEnum):
    """Which two kinds of subnet are compared. A CNN has no transformer block, a hybrid at least one."""

    CNN_CNN = "cnn-cnn"
    HYBRID_HYBRID = "hybrid-hybrid"
    CNN_HYBRID = "cnn-hybrid"


@dataclass(frozen=True)
class Cosines(Document):
    """Cosines between gradients of many pairs of subnets.

    Attributes:
        mean: Mean over batches of the mean over a batch's pairs.
        standard_error: Of the mean, from the spread of the batches' means: pairs of one batch share images
            and subnets and are not independent, batches are. None if there was one batch.
        negative: Share of pairs with a cosine below 0, from 0 to 1.
        pairs: Number of pairs.
    """

    mean: float
    standard_error: float | None
    negative: float
    pairs: int


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


def measure(
    supernet: Supernet,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    rng: np.random.Generator,
    subnets: int = 4,
) -> ConflictReport:
    """Cosines between gradients of random subnets, before any clipping, with batch norm as in training.

    For each batch new subnets are drawn, the gradient of each is taken on that batch, and all pairs are
    compared. Weights, ``.grad``, ``requires_grad``, train or eval mode and torch's random state are left as
    they were. Frozen weights are measured like all others.

    Args:
        supernet: The weights; not wrapped (of DistributedDataParallel pass ``.module``).
        batches: Images ``(n, 3, s, s)``, normalised, and labels ``(n,)``, on the supernet's device; the
            images' dtype is that of the computation. Small cosines want float32.
        rng: Of the subnets; it advances.
        subnets: CNNs per batch, and as many hybrids; at least 2.

    Raises:
        H4HError: There is no batch, `subnets` is below 2 or more than the space holds, or a gradient is not
            finite.
    """
    if subnets < 2:
        raise H4HError(f"subnets must be at least 2, since pairs are compared, but got {subnets}")
    space = supernet.space
    has_hybrids = any(max(stage.vit_depth) > 0 for stage in space.stages)
    groups = parameter_groups(supernet)
    # Per kind and group: one array of cosines for each batch.
    found: dict[PairKind, dict[ParameterGroup, list[list[float]]]] = {
        kind: defaultdict(list) for kind in PairKind
    }
    counts: list[int] = []
    with _undisturbed(supernet):
        for images, labels in batches:
            chosen = draw_cnns(space, subnets, rng)
            if has_hybrids:
                chosen += draw_hybrids(space, subnets, rng)
            gradients = [gradient(supernet, subnet, images, labels) for subnet in chosen]
            for group, cosines in cosines_by_group(gradients, groups).items():
                for kind, values in _by_kind(cosines, subnets).items():
                    if values:
                        found[kind][group].append(values)
            counts.append(len(labels))
    if not counts:
        raise H4HError("batches must hold at least one batch, but got none")
    return ConflictReport(
        subnets=subnets,
        batches=len(counts),
        images=sum(counts),
        cosines={
            kind: {group: summarise(by_group[group]) for group in ParameterGroup if group in by_group}
            for kind, by_group in found.items()
            if by_group
        },
    )


def draw_cnns(space: Space, count: int, rng: np.random.Generator) -> list[Subnet]:
    """`count` different random subnets, less their transformer blocks (phase 1 of `phases`).

    Raises:
        H4HError: The space holds fewer.
    """
    return _draw(space, count, lambda: without_vit(space.decode(space.sample(rng))), "CNNs")


def draw_hybrids(space: Space, count: int, rng: np.random.Generator) -> list[Subnet]:
    """`count` different random subnets with at least one transformer block.

    Raises:
        H4HError: The space holds fewer.
    """

    def draw() -> Subnet | None:
        subnet = space.decode(space.sample(rng))
        return subnet if subnet.vit_blocks else None

    return _draw(space, count, draw, "hybrids")


def _draw(space: Space, count: int, draw: Callable[[], Subnet | None], noun: str) -> list[Subnet]:
    chosen: dict[Subnet, None] = {}
    for _ in range(count * ATTEMPTS):
        if (subnet := draw()) is not None:
            chosen[subnet] = None
        if len(chosen) == count:
            return list(chosen)
    raise H4HError(
        f"subnets must be at most {len(chosen)}, since space {space.name!r} seems to hold no more {noun}, "
        f"but got {count}"
    )


def _by_kind(cosines: Tensor, cnns: int) -> dict[PairKind, list[float]]:
    """Cosines of all pairs that share a coordinate; the first `cnns` rows of `cosines` are CNNs."""
    values: dict[PairKind, list[float]] = {kind: [] for kind in PairKind}
    for first, second in combinations(range(len(cosines)), 2):
        cosine = cosines[first, second].item()
        if first >= cnns:
            kind = PairKind.HYBRID_HYBRID
        else:
            kind = PairKind.CNN_CNN if second < cnns else PairKind.CNN_HYBRID
        if not math.isnan(cosine):
            values[kind].append(cosine)
    return values


def summarise(batches: Sequence[Sequence[float]]) -> Cosines:
    """Of the cosines of each batch's pairs; no batch may be empty."""
    means = [float(np.mean(batch)) for batch in batches]
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    pooled = np.concatenate(batches)
    return Cosines(
        mean=float(np.mean(means)),
        standard_error=error,
        negative=float(np.mean(pooled < 0)),
        pairs=len(pooled),
    )


@contextmanager
def _undisturbed(supernet: Supernet) -> Iterator[None]:
    """Evaluation mode (no drop path) within; then each module's mode and torch's random state are back."""
    modes = {module: module.training for module in supernet.modules()}
    devices = {weight.device for weight in supernet.parameters() if weight.device.type == "cuda"}
    with torch.random.fork_rng([device.index or 0 for device in devices]):
        supernet.eval()
        try:
            yield
        finally:
            for module, mode in modes.items():
                module.training = mode
