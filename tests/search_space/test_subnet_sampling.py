"""Balanced draws: of each family, and of each bin of cost, equally many."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space import complexity
from search_space.families import Family, family
from search_space.files.yaml_document import parse_document
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from search_space.subnet_sampling import (
    BINS,
    FAMILY,
    MACS,
    SAMPLINGS,
    UNIFORM,
    bin_edges,
    draw,
    draw_of_bin,
    draw_of_family,
    families,
    has_family,
)

SPACE = load_space("cifar32")


def macs(genotype: Genotype) -> int:
    return complexity.macs(SPACE.decode(genotype))


def changed(**stage: Any) -> Space:
    """`cifar32` with `stage` laid over each of its stages."""
    data = SPACE.to_dict()
    for each in data["stages"]:
        each.update(stage)
    return parse_document(Space, data, source="changed")


def test_each_family_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(SPACE, FAMILY, rng, number) for number in range(40)]
    assert Counter(family(SPACE.decode(one)) for one in drawn) == dict.fromkeys(families(SPACE), 10)
    assert all(SPACE.canonical(one) == one for one in drawn)
    assert len(set(drawn)) == 40


def test_uniform_draws_are_those_of_the_space() -> None:
    first, second = np.random.default_rng(5), np.random.default_rng(5)
    for number in range(10):
        assert draw(SPACE, UNIFORM, first, number) == SPACE.sample(second)


@given(seed=st.integers(0, 2**32), wanted=st.sampled_from(families(SPACE)))
@settings(max_examples=60)
def test_a_draw_is_of_the_wanted_family(seed: int, wanted: Family) -> None:
    for space in (SPACE, load_space("imagenet224")):
        genotype = draw_of_family(space, wanted, np.random.default_rng(seed))
        assert family(space.decode(genotype)) is wanted


def test_networks_without_blocks_are_drawn_where_the_space_has_any() -> None:
    always_conv = changed(downsampling={"kind": ["mbconv"], "kernel": [3], "expansion": [2]})
    assert not has_family(always_conv, Family.NONE)
    assert has_family(SPACE, Family.NONE)
    drawn = draw_of_family(SPACE, Family.NONE, np.random.default_rng(0))
    network = SPACE.decode(drawn)
    assert (network.conv_blocks, network.vit_blocks) == (0, 0)
    assert family(network) is Family.NONE


def test_genes_are_uniform_among_those_that_give_the_family() -> None:
    """Vit networks have each combination of depths but the three zeros: 1 x 3 x 4 x 4 - 1 = 47."""
    rng = np.random.default_rng(1)
    count = 4_700
    depths = Counter(
        tuple(len(stage.vit_blocks) for stage in SPACE.decode(draw_of_family(SPACE, Family.VIT, rng)).stages)
        for _ in range(count)
    )
    assert len(depths) == 47
    assert (0, 0, 0, 0) not in depths
    # 100 of each expected; six standard deviations of a binomial count are 59.
    assert all(abs(times - 100) < 60 for times in depths.values())


def test_the_first_vit_stage_of_cnn_then_vit_is_uniform() -> None:
    rng = np.random.default_rng(2)
    first = Counter(
        next(
            number
            for number, stage in enumerate(
                SPACE.decode(draw_of_family(SPACE, Family.CNN_THEN_VIT, rng)).stages
            )
            if stage.vit_blocks
        )
        for _ in range(900)
    )
    assert set(first) == {1, 2, 3}
    assert all(abs(times - 300) < 90 for times in first.values())


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ({"vit_depth": [0], "vit": None}, {Family.CNN}),
        (
            {
                "downsampling": {"kind": ["mbconv"], "kernel": [3], "expansion": [2]},
                "conv_depth": [0],
                "conv": None,
            },
            {Family.CNN, Family.CNN_THEN_VIT, Family.MIXED},
        ),
        (
            {
                "downsampling": {"kind": ["patch_merging"], "kernel": [3], "expansion": [2]},
                "conv_depth": [0],
                "conv": None,
            },
            {Family.VIT},
        ),
    ],
)
def test_families_of_a_space(stage: dict[str, Any], expected: set[Family]) -> None:
    space = changed(**stage)
    assert set(families(space)) == expected
    rng = np.random.default_rng(0)
    drawn = {family(space.decode(draw(space, FAMILY, rng, number))) for number in range(len(expected))}
    assert drawn == expected
    # Nothing else is in the space.
    assert {family(space.decode(space.sample(rng))) for _ in range(300)} <= {*expected, Family.NONE}


def test_each_bin_of_macs_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    values = [macs(draw(SPACE, MACS, rng, number)) for number in range(4 * BINS)]
    edges = bin_edges(SPACE, macs)
    assert edges[0] == pytest.approx(macs(SPACE.smallest()))
    assert edges[-1] == pytest.approx(macs(SPACE.largest()))
    assert edges[1] / edges[0] == pytest.approx(edges[-1] / edges[-2])
    for number, value in enumerate(values):
        assert edges[number % BINS] * (1 - 1e-9) <= value <= edges[number % BINS + 1] * (1 + 1e-9)


def test_a_bin_without_a_network_gives_the_nearest() -> None:
    """The cost of the two networks of this space are the ends of the range; bins between are empty."""
    data = SPACE.to_dict()
    data["resolution"] = [8, 32]
    data["stem"]["width"] = [16]
    for stage in data["stages"]:
        stage.update(
            width=stage["width"][:1],
            downsampling={"kind": ["patch_merging"], "kernel": [3], "expansion": [2]},
            conv_depth=[0],
            conv=None,
            vit_depth=[0],
            vit=None,
        )
    space = parse_document(Space, data, source="two")
    assert space.cardinality == 2

    def cost(genotype: Genotype) -> int:
        return complexity.macs(space.decode(genotype))

    for number, expected in ((0, space.smallest()), (1, space.smallest()), (BINS - 2, space.largest())):
        assert draw_of_bin(space, number, np.random.default_rng(0), cost=cost) == expected


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_draws_follow_from_the_generator_alone(sampling: str) -> None:
    runs = [
        [draw(SPACE, sampling, rng, number) for number in range(8)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3), np.random.default_rng(4))
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
