"""Distance of networks to a family: number of blocks to remove or to add, for whole populations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_space.arrays import Floats, Genotypes, Integers
from search_space.block_options import PATCH_MERGING
from search_space.families import Family
from search_space.space import Space
from search_space.subnet import BLOCKS, MBConv, Subnet

FAMILY = "family="
"""How the name of a distance begins, and the limit to a family; ``family=cnn`` is the distance to CNNs."""

StageBlocks = tuple[Integers, Integers]
"""Blocks on maps and blocks on tokens of n networks, stage by stage, each of shape (n, stages)."""


def stage_blocks(networks: Sequence[Subnet]) -> StageBlocks:
    """Blocks of `networks`, which have the same number of stages. MBConv that down-samples is a block."""
    maps = [
        [
            sum(not block.takes_tokens for block in stage.blocks) + isinstance(stage.downsampling, MBConv)
            for stage in network.stages
        ]
        for network in networks
    ]
    tokens = [
        [sum(block.takes_tokens for block in stage.blocks) for stage in network.stages]
        for network in networks
    ]
    return np.array(maps, dtype=np.int64), np.array(tokens, dtype=np.int64)


def stage_blocks_of(space: Space, genotypes: Genotypes) -> StageBlocks:
    """Blocks of canonical genotypes (n, genes), without decoding them."""
    places = {gene.name: place for place, gene in enumerate(space.genes)}
    shape = len(genotypes), len(space.stages)
    maps, tokens = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for number, stage in enumerate(space.stages):
        name = f"stage{number + 1}"
        # A patch merging is no block.
        is_block = np.array([kind != PATCH_MERGING for kind in stage.downsampling.kind], dtype=np.int64)
        maps[:, number] += is_block[genotypes[:, places[f"{name}.downsampling"]]]
        for kind in stage.kinds:
            depths = np.array(stage.depths(kind), dtype=np.int64)
            counted = tokens if BLOCKS[kind].takes_tokens else maps
            counted[:, number] += depths[genotypes[:, places[f"{name}.{kind}_depth"]]]
    return maps, tokens


def family_distance(blocks: StageBlocks, wanted: Family) -> Floats:
    """Least number of blocks to remove or add until a network is of family `wanted`, shape (n,).

    It is 0 for the members of the family and for nobody else.
    """
    maps, tokens = blocks
    map_blocks, token_blocks = maps.sum(axis=1), tokens.sum(axis=1)
    lacks_maps, lacks_tokens = map_blocks == 0, token_blocks == 0
    if wanted is Family.NONE:
        distance = map_blocks + token_blocks
    elif wanted is Family.CNN:
        distance = token_blocks + lacks_maps
    elif wanted is Family.VIT:
        distance = map_blocks + lacks_tokens
    elif wanted is Family.CNN_THEN_VIT:
        # Blocks on tokens before a stage and blocks on maps behind it have to go.
        distance = np.min(
            [
                tokens[:, :number].sum(axis=1)
                + maps[:, number + 1 :].sum(axis=1)
                + (maps[:, : number + 1].sum(axis=1) == 0)
                + (tokens[:, number:].sum(axis=1) == 0)
                for number in range(maps.shape[1])
            ],
            axis=0,
        )
    else:
        tokens_before = np.cumsum(tokens, axis=1) - tokens
        is_mixed = ((maps > 0) & (tokens_before > 0)).any(axis=1)
        distance = np.where(is_mixed, 0, np.maximum(1, lacks_maps.astype(np.int64) + lacks_tokens))
    return np.asarray(distance, dtype=np.float64)
