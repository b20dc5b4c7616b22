"""Phases: what each trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search_space.families import Family, family, without_vit
from search_space.space import Space, load_space
from search_space.subnet import MBConv, Subnet
from supernet.training.phases import CHOICES, LARGEST, RANDOM, SMALLEST, Phase, phase_at
from supernet.training.step_subnets import sandwich
from tests.supernet import norm_choice

CNN = Phase("cnn", 3, 2e-3, 20, vit=False)
HYBRID = Phase("hybrid", 5, 1e-3, 3)


def test_epochs_belong_to_phases_in_order() -> None:
    phases = (CNN, HYBRID)
    names = [(phase_at(phases, epoch)[0].name, phase_at(phases, epoch)[1]) for epoch in range(8)]
    assert names == [("cnn", 0), ("cnn", 1), ("cnn", 2), *(("hybrid", number) for number in range(5))]
    with pytest.raises(IndexError):
        phase_at(phases, 8)


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("cifar32")


def drawn(space: Space, phase: Phase) -> list[Subnet]:
    return [subnet for _, subnet in sandwich(space, phase, np.random.default_rng(0))]


def test_a_phase_without_vit_trains_no_transformer_block(space: Space) -> None:
    subnets = drawn(space, CNN)
    assert len(subnets) == 22
    assert {family(subnet) for subnet in subnets} == {Family.CNN}
    assert subnets[0].conv_blocks == space.decode(space.largest()).conv_blocks


def test_a_plain_phase_trains_the_whole_space(space: Space) -> None:
    rng = np.random.default_rng(0)
    assert sandwich(space, HYBRID, np.random.default_rng(0)) == [
        (LARGEST, space.decode(space.largest())),
        (SMALLEST, space.decode(space.smallest())),
        *((RANDOM, space.decode(space.sample(rng))) for _ in range(3)),
    ]


def test_choices_are_those_of_the_genes(space: Space) -> None:
    assert {gene.name.rpartition(".")[2] for gene in space.genes} == set(CHOICES) - {"norm"}
    assert {gene.name.rpartition(".")[2] for gene in norm_choice.SPACE.genes} == set(CHOICES)


def test_without_elastic_choices_there_is_the_largest_alone(space: Space) -> None:
    largest = space.decode(space.largest())
    assert sandwich(space, replace(HYBRID, elastic=()), np.random.default_rng(0)) == [(LARGEST, largest)]
    both = drawn(space, replace(CNN, elastic=()))
    assert both == [without_vit(largest)]


def test_only_elastic_choices_vary(space: Space) -> None:
    largest = space.decode(space.largest())
    phase = replace(HYBRID, random_subnets=20, elastic=("kernel", "resolution"))
    subnets = drawn(space, phase)
    assert len(subnets) == 22
    assert {subnet.resolution for subnet in subnets} == {24, 28, 32}
    for subnet in subnets:
        assert [len(stage.conv_blocks) for stage in subnet.stages] == [2, 2, 2, 2]
        for ours, theirs in zip(subnet.sequence(), largest.sequence(), strict=True):
            assert type(ours) is type(theirs)
            if isinstance(ours, MBConv) and isinstance(theirs, MBConv):
                assert replace(ours, kernel=5) == replace(theirs, kernel=5)
    # The smallest of this part: the largest network with all kernels at 3.
    assert {block.kernel for block in subnets[1].sequence() if isinstance(block, MBConv)} == {3}


def test_a_held_choice_is_the_largest_even_where_the_largest_network_does_not_use_it(space: Space) -> None:
    # Patch merging has no kernel, so its gene is 0 in the largest network.
    subnets = drawn(space, replace(HYBRID, random_subnets=20, elastic=("downsampling",)))
    downs = [stage.downsampling for subnet in subnets for stage in subnet.stages]
    assert {type(down).__name__ for down in downs} == {"MBConv", "PatchMerging"}
    assert {down.kernel for down in downs if isinstance(down, MBConv)} == {5}


def test_a_frozen_cnn_leaves_out_subnets_that_have_nothing_to_learn(space: Space) -> None:
    kinds = [kind for kind, _ in sandwich(space, replace(HYBRID, cnn="freeze"), np.random.default_rng(0))]
    assert kinds == [LARGEST, RANDOM, RANDOM, RANDOM]  # the smallest is a CNN


def test_norm_is_a_choice_that_phases_free_or_hold_at_layer_norm() -> None:
    def norms(elastic: tuple[str, ...] | None) -> set[str]:
        phase = replace(HYBRID, random_subnets=60, elastic=elastic)
        drawn = sandwich(norm_choice.SPACE, phase, np.random.default_rng(0))
        stages = [stage for kind, subnet in drawn if kind == RANDOM for stage in subnet.stages]
        return {block.norm for stage in stages for block in stage.vit_blocks}

    assert norms(None) == norms(("vit_depth", "norm")) == {"batch", "layer"}
    assert norms(("vit_depth", "width", "heads")) == {"layer"}
    (_, largest), *_ = sandwich(norm_choice.SPACE, HYBRID, np.random.default_rng(0))
    assert {block.norm for stage in largest.stages for block in stage.vit_blocks} == {"layer"}
