"""Measurement of gradient conflict between the CNNs and hybrids of a supernet."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
from torch import Tensor

from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.families import without_vit
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.subnet_sampling import UNIFORM, draw
from supernet.gradient_conflict.measurement import ConflictReport, PairKind, summarise
from supernet.gradient_conflict.subnet_gradients import (
    ParameterGroup,
    cosines_by_group,
    gradient,
    parameter_groups,
)
from supernet.network.supernet import Supernet

ATTEMPTS = 1000
"""Largest number of draws per subnet before a space counts as too small."""


def measure(
    supernet: Supernet,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    rng: np.random.Generator,
    subnets: int = 4,
    sampling: str = UNIFORM,
) -> ConflictReport:
    """Cosines between gradients of random subnets, before any clipping, with batch norm as in training.

    New subnets are drawn for each batch. Their gradients are computed on that batch, and all pairs are
    compared on each tensor. The supernet does not change, not even ``.grad``, and only `rng` gives random
    numbers. Frozen weights are measured like all others.

    Args:
        supernet: The supernet, not wrapped (of DistributedDataParallel pass ``.module``).
        batches: Images ``(n, 3, s, s)``, normalised, and labels ``(n,)``, on the supernet's device. The
            images' dtype is that of the computation; small cosines need float32.
        rng: Source of randomness of the subnets. It advances.
        subnets: Number of CNNs per batch, and of hybrids; at least 2.
        sampling: How hybrids are drawn, one of `SAMPLINGS`.

    Raises:
        H4HError: There is no batch, `subnets` is below 2 or more than the space holds, or a gradient is not
            finite.
    """
    if subnets < 2:
        raise H4HError(f"subnets must be at least 2, since pairs are compared, but got {subnets}")
    space = supernet.space
    has_hybrids = any(max(stage.vit_depth) > 0 for stage in space.stages)
    groups = parameter_groups(supernet)
    # By kind and group: one array of cosines per batch.
    matrices: dict[PairKind, dict[ParameterGroup, list[Floats]]] = {
        kind: defaultdict(list) for kind in PairKind
    }
    counts: list[int] = []
    for images, labels in batches:
        chosen = draw_cnns(space, subnets, rng)
        if has_hybrids:
            chosen += draw_hybrids(space, subnets, rng, sampling)
        gradients = [gradient(supernet, subnet, images, labels) for subnet in chosen]
        for group, cosines in cosines_by_group(gradients, groups).items():
            for kind, values in _by_kind(cosines.numpy(), subnets).items():
                if len(values):
                    matrices[kind][group].append(values)
        counts.append(len(labels))
    if not counts:
        raise H4HError("batches must hold at least one batch, but got none")
    return ConflictReport(
        subnets=subnets,
        batches=len(counts),
        images=sum(counts),
        cosines={
            kind: {group: summarise(by_group[group]) for group in ParameterGroup if group in by_group}
            for kind, by_group in matrices.items()
            if by_group
        },
    )


def draw_cnns(space: Space, count: int, rng: np.random.Generator) -> list[Subnet]:
    """`count` different random subnets without their transformer blocks (phase 1 of `phases`).

    Raises:
        H4HError: The space has fewer.
    """
    return _draw(space, count, lambda: without_vit(space.decode(space.sample(rng))), "CNNs")


def draw_hybrids(space: Space, count: int, rng: np.random.Generator, sampling: str = UNIFORM) -> list[Subnet]:
    """`count` different random subnets with at least one transformer block.

    Args:
        space: The search space.
        count: Number of subnets.
        rng: Source of randomness. It advances.
        sampling: One of `SAMPLINGS`. Draws without transformer blocks are skipped.

    Raises:
        H4HError: The space has fewer.
    """

    numbers = itertools.count()

    def draw_hybrid() -> Subnet | None:
        subnet = space.decode(draw(space, sampling, rng, next(numbers)))
        return subnet if subnet.vit_blocks else None

    return _draw(space, count, draw_hybrid, "hybrids")


def _draw(space: Space, count: int, draw: Callable[[], Subnet | None], noun: str) -> list[Subnet]:
    chosen: dict[Subnet, None] = {}
    for _ in range(count * ATTEMPTS):
        if (subnet := draw()) is not None:
            chosen[subnet] = None
        if len(chosen) == count:
            return list(chosen)
    raise H4HError(
        f"subnets must be at most {len(chosen)}, since space {space.name!r} seems to have no more {noun}, "
        f"but got {count}"
    )


def _by_kind(cosines: Floats, cnns: int) -> dict[PairKind, Floats]:
    """Cosines of all pairs on all tensors that both subnets use.

    Args:
        cosines: ``(tensors, n, n)``, NaN where a pair shares no coordinate.
        cnns: Number of CNNs among the `n` subnets; they come first.
    """
    first, second = np.triu_indices(cosines.shape[-1], k=1)
    of_pairs = {
        PairKind.CNN_CNN: second < cnns,
        PairKind.HYBRID_HYBRID: first >= cnns,
        PairKind.CNN_HYBRID: (first < cnns) & (second >= cnns),
    }
    values = {kind: cosines[:, first[pairs], second[pairs]] for kind, pairs in of_pairs.items()}
    return {kind: each[~np.isnan(each)] for kind, each in values.items()}
