from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.families import Family, family
from search_space.family_distance import family_distance, stage_blocks, stage_blocks_of
from search_space.space import load_space
from search_space.subnet_sampling import draw_of_family, families

SPACES = [load_space("cifar32"), load_space("imagenet224")]


@pytest.mark.parametrize(
    ("maps", "tokens", "distances"),
    [
        # Of cnn, vit, cnn-then-vit, mixed and none.
        ((2, 1), (0, 0), (0, 4, 1, 1, 3)),
        ((0, 0), (0, 2), (3, 0, 1, 1, 2)),
        ((2, 0), (1, 2), (3, 2, 0, 1, 5)),
        # One block on maps behind two on tokens: that one has to go.
        ((2, 1), (2, 0), (2, 3, 1, 0, 5)),
        ((0, 0), (0, 0), (1, 1, 2, 2, 0)),
    ],
)
def test_blocks_to_remove_or_add_by_hand(
    maps: tuple[int, ...], tokens: tuple[int, ...], distances: tuple[int, ...]
) -> None:
    blocks = np.array([maps]), np.array([tokens])
    assert tuple(int(family_distance(blocks, member)[0]) for member in Family) == distances


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_the_distance_is_0_for_members_alone_and_needs_no_decoding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for space in SPACES:
        genotypes = np.array([draw_of_family(space, member, rng) for member in families(space)])
        networks = [space.decode(tuple(row)) for row in genotypes.tolist()]
        blocks = stage_blocks(networks)
        for decoded, looked_up in zip(blocks, stage_blocks_of(space, genotypes), strict=True):
            assert decoded.tolist() == looked_up.tolist()
        for member in Family:
            is_member = [family(network) is member for network in networks]
            assert (family_distance(blocks, member) == 0).tolist() == is_member
