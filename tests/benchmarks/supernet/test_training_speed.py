"""Training benchmark: equal work on both sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.supernet.training_speed import (
    COPYING,
    ELASTIC,
    FAST,
    PLAIN,
    copied_slices,
    row,
    steps,
    subnets_by_kind,
)
from search_space.families import Family, family
from search_space.space import load_space
from supernet.network import elastic_layers as elastic
from supernet.network.supernet import Supernet

SPACE = load_space("cifar32")


def test_kinds() -> None:
    kinds = subnets_by_kind(SPACE, seed=0)
    assert kinds["largest"] == [SPACE.decode(SPACE.largest())]
    assert kinds["random hybrid"][0].vit_blocks > 0
    assert family(kinds["random CNN"][0]) is Family.CNN
    assert kinds["sandwich"][:2] == kinds["largest"] + kinds["smallest"]
    assert len(kinds["sandwich"]) == 4
    assert kinds == subnets_by_kind(SPACE, seed=0)


def test_a_kind_that_the_space_does_not_hold_is_left_out() -> None:
    stages = tuple(replace(stage, vit_depth=(0,), vit=None) for stage in SPACE.stages)
    assert set(subnets_by_kind(replace(SPACE, stages=stages), seed=0)) == {
        "largest",
        "smallest",
        "random CNN",
        "sandwich",
    }


def test_copied_slices_change_no_bit_and_are_copies() -> None:
    supernet = Supernet(SPACE)
    subnet = SPACE.decode(SPACE.sample(np.random.default_rng(0)))
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        viewed = supernet(images, subnet)
        with copied_slices():
            assert torch.equal(supernet(images, subnet), viewed)
            assert elastic.leading(supernet.stem.weight, 8).data_ptr() != supernet.stem.weight.data_ptr()
    assert elastic.leading(supernet.stem.weight, 8).data_ptr() == supernet.stem.weight.data_ptr()


def test_all_ways_do_the_same_step() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SPACE)
    subnets = subnets_by_kind(SPACE, seed=0)["sandwich"]
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8)
    ways = steps(supernet, subnets, images, labels)
    assert set(ways) == {ELASTIC, FAST, PLAIN, COPYING}
    before = supernet.classifier.weight.detach().clone()
    for step in ways.values():
        step()
    # AdamW's first steps are as long as the rate, whatever the gradient: two ways train the shared weights.
    moved = (supernet.classifier.weight - before).abs().max().item()
    assert 1e-4 < moved < 2.1e-4


def test_row_of_closed_form_times() -> None:
    times = {ELASTIC: [2.0, 4.0, 3.0], FAST: [1.0, 1.0, 1.0], PLAIN: [6.0, 6.0, 6.0]}
    found = row("kind", times, batch=6)
    assert found.images_per_second == {ELASTIC: 2, FAST: 6, PLAIN: 1}
    assert found.time_ratio[FAST] == (3, 2.5, 3.5)
    assert found.time_ratio[PLAIN][0] == pytest.approx(0.5)
