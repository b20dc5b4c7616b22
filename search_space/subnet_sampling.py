"""Random subnets: uniform over genes, balanced over families, or balanced over multiply-accumulates.

Uniform genes hardly ever give some kinds of network: in `cifar32`, 84 % are mixed, 2 % have no transformer
blocks, and 0.03 % have only transformer blocks. Balanced draws construct a network of the wanted kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from search_space import complexity
from search_space.block_options import PATCH_MERGING, StageOptions
from search_space.families import Family, family
from search_space.genotype import Genotype
from search_space.space import Space

UNIFORM, FAMILY, MACS = "uniform", "family", "macs"
SAMPLINGS = (UNIFORM, FAMILY, MACS)

BINS = 8
"""Bins of multiply-accumulates, of equal width on a logarithmic scale."""

ATTEMPTS = 50
"""Number of random starts for a network of a bin."""

Cost = Callable[[Genotype], float]


def draw(space: Space, sampling: str, rng: np.random.Generator, number: int) -> Genotype:
    """A random canonical genotype.

    Args:
        space: The search space.
        sampling: One of `SAMPLINGS`.
        rng: Source of randomness. It advances.
        number: Position of the draw in its series. Successive numbers pass through families or bins in turn,
            so each is equally frequent.
    """
    if sampling == FAMILY:
        members = families(space)
        return draw_of_family(space, members[number % len(members)], rng)
    if sampling == MACS:
        return draw_of_bin(
            space, number % BINS, rng, cost=lambda genotype: complexity.macs(space.decode(genotype))
        )
    return space.sample(rng)


# --- families ------------------------------------------------------------------------------------


def families(space: Space) -> tuple[Family, ...]:
    """Families with blocks that have a member in `space`, in the order of `Family`."""
    stages = space.stages
    exists_by_family = {
        Family.CNN: all(map(_may_lack_vit, stages)) and any(map(_may_have_conv, stages)),
        Family.VIT: all(map(_may_lack_conv, stages)) and any(map(_may_have_vit, stages)),
        Family.CNN_THEN_VIT: bool(_first_vit_stages(space)),
        Family.MIXED: any(
            _may_have_vit(stage) and any(map(_may_have_conv, stages[number + 1 :]))
            for number, stage in enumerate(stages)
        ),
    }
    return tuple(member for member, exists in exists_by_family.items() if exists)


def has_family(space: Space, wanted: Family) -> bool:
    """Whether a network of `space` is of family `wanted`."""
    if wanted is Family.NONE:
        return all(_may_lack_vit(stage) and _may_lack_conv(stage) for stage in space.stages)
    return wanted in families(space)


def draw_of_family(space: Space, wanted: Family, rng: np.random.Generator) -> Genotype:
    """A canonical genotype of family `wanted`.

    Genes are uniform among those that give the family. For ``cnn-then-vit`` the first stage with transformer
    blocks is drawn before them, uniformly.

    Args:
        space: A space with a member of that family (`families`).
        wanted: The family; ``none`` if the space has a network without blocks (`has_family`).
        rng: Source of randomness. It advances.
    """
    allowed: dict[str, Iterable[int]] = {}
    if wanted is Family.NONE:
        for name, stage in _numbered(space):
            allowed |= _without_conv(name, stage)
            allowed[f"{name}.vit_depth"] = [stage.vit_depth.index(0)]
    elif wanted is Family.CNN:
        for name, stage in _numbered(space):
            allowed[f"{name}.vit_depth"] = [stage.vit_depth.index(0)]
    elif wanted is Family.VIT:
        for name, stage in _numbered(space):
            allowed |= _without_conv(name, stage)
    elif wanted is Family.CNN_THEN_VIT:
        first = int(rng.choice(_first_vit_stages(space)))
        for number, (name, stage) in enumerate(_numbered(space)):
            if number < first:
                allowed[f"{name}.vit_depth"] = [stage.vit_depth.index(0)]
            elif number == first:
                allowed[f"{name}.vit_depth"] = [i for i, depth in enumerate(stage.vit_depth) if depth]
            else:
                allowed |= _without_conv(name, stage)
    # The genes that `allowed` leaves free need at most one conv block and one transformer block in the right
    # stages, so a few draws suffice.
    while True:
        genotype = _draw_allowed(space, allowed, rng)
        if family(space.decode(genotype)) is wanted:
            return genotype


def _draw_allowed(space: Space, allowed: Mapping[str, Iterable[int]], rng: np.random.Generator) -> Genotype:
    options = [tuple(allowed.get(gene.name, range(gene.cardinality))) for gene in space.genes]
    chosen = rng.integers(0, [len(each) for each in options])
    return space.canonical([each[index] for each, index in zip(options, chosen, strict=True)])


def _numbered(space: Space) -> list[tuple[str, StageOptions]]:
    return [(f"stage{number}", stage) for number, stage in enumerate(space.stages, start=1)]


def _without_conv(name: str, stage: StageOptions) -> dict[str, list[int]]:
    return {
        f"{name}.downsampling": [stage.downsampling.kind.index(PATCH_MERGING)],
        f"{name}.conv_depth": [stage.conv_depth.index(0)],
    }


def _first_vit_stages(space: Space) -> list[int]:
    """Indices of the stages at which the transformer blocks of a ``cnn-then-vit`` network can begin."""
    stages = space.stages
    return [
        number
        for number, stage in enumerate(stages)
        if _may_have_vit(stage)
        and all(map(_may_lack_vit, stages[:number]))
        and all(map(_may_lack_conv, stages[number + 1 :]))
        and any(map(_may_have_conv, stages[: number + 1]))
    ]


def _may_have_vit(stage: StageOptions) -> bool:
    return max(stage.vit_depth) > 0


def _may_lack_vit(stage: StageOptions) -> bool:
    return 0 in stage.vit_depth


def _may_have_conv(stage: StageOptions) -> bool:
    return max(stage.conv_depth) > 0 or set(stage.downsampling.kind) != {PATCH_MERGING}


def _may_lack_conv(stage: StageOptions) -> bool:
    return 0 in stage.conv_depth and PATCH_MERGING in stage.downsampling.kind


# --- cost ----------------------------------------------------------------------------------------


def bin_edges(space: Space, cost: Cost) -> list[float]:
    """The `BINS` + 1 edges of the bins, from the cost of the smallest network to that of the largest."""
    low, high = math.log(cost(space.smallest())), math.log(cost(space.largest()))
    return [math.exp(low + (high - low) * number / BINS) for number in range(BINS + 1)]


def draw_of_bin(space: Space, number: int, rng: np.random.Generator, *, cost: Cost) -> Genotype:
    """A canonical genotype whose cost lies in bin `number`.

    A uniform draw is moved towards the bin, one random gene at a time, by one option each.

    Args:
        space: The search space.
        number: Number of the bin, from 0.
        rng: Source of randomness. It advances.
        cost: Cost of a genotype. It must not fall when a gene other than the kind of down-sampling rises.

    Returns:
        The genotype; if no start leads into the bin, as in small spaces, the nearest one.
    """
    edges = bin_edges(space, cost)
    low, high = edges[number], edges[number + 1]
    nearest, least = space.smallest(), math.inf
    for _ in range(ATTEMPTS):
        genotype = space.sample(rng)
        # Beyond the bin, the walk would oscillate around it.
        direction = 1 if cost(genotype) < low else -1
        while True:
            value = cost(genotype)
            distance = max(low - value, value - high, 0.0)
            if distance < least:
                nearest, least = genotype, distance
            if distance == 0:
                return genotype
            if (value < low) != (direction == 1):
                break
            movable = _movable(space, genotype, direction)
            if not movable:
                break
            index = movable[int(rng.integers(len(movable)))]
            genotype = space.canonical(
                [*genotype[:index], genotype[index] + direction, *genotype[index + 1 :]]
            )
    return nearest


def _movable(space: Space, genotype: Genotype, direction: int) -> list[int]:
    genes = zip(space.genes, genotype, space.active(genotype), strict=True)
    return [
        index
        for index, (gene, value, active) in enumerate(genes)
        if active and not gene.name.endswith(".downsampling") and 0 <= value + direction < gene.cardinality
    ]
