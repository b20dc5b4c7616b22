"""Subnets together against each alone: equal bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from search_space.complexity import macs, params
from search_space.errors import H4HError
from search_space.genotype import Genotype
from search_space.space import load_space
from search_space.subnet import MBConv, Subnet
from supernet.accuracy import one_subnet
from supernet.accuracy.int8_network import Numbers, Observed, Stored, run
from supernet.accuracy.many_subnets import (
    Calibrated,
    calibrate,
    correct,
    correct_until,
    full_sharing,
    groups,
    least_memory,
)
from supernet.accuracy.memory_budget import OVERHEAD, WIDENED_OVERHEAD, MemoryBudget
from supernet.accuracy.one_subnet import PreparedImages
from supernet.accuracy.prefix_tree import Branch, grow
from supernet.network.batch_norm import Folded, Recording, by_batch
from supernet.network.number_formats import is_widened
from supernet.network.subnet_parts import parts
from supernet.network.supernet import Supernet

SPACE = load_space("cifar32")
SUPERNET = Supernet(SPACE).eval()
with torch.no_grad():
    torch.manual_seed(0)
    for weight in SUPERNET.parameters():
        weight.add_(0.1 * torch.randn_like(weight))  # so that no block does nothing

PLENTY = 1e12
SOME = 1.9e8
"""Bytes with which some forks keep their maps."""


def images(count: int, *, batches: int = 2, seed: int = 0) -> PreparedImages:
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for _ in range(batches):
        pixels = torch.randn((count, 3, 32, 32), generator=generator)
        labels = torch.randint(10, (count,), generator=generator)
        parts.append((pixels.contiguous(memory_format=torch.channels_last), labels))
    return PreparedImages(tuple(parts))


CALIBRATION, HELD_OUT = images(6), images(5, seed=1)


def logits(subnet: Subnet, *, in_integers: bool = False) -> Tensor:
    """Of the held-out images, by the parts of this subnet alone."""
    recording = Recording()
    with torch.inference_mode():
        for batch, _ in CALIBRATION.batches:
            SUPERNET(batch, subnet, recording)
        statistics = Folded(recording.result().statistics)
        if in_integers:
            observed = Observed(statistics)
            for batch, _ in CALIBRATION.batches:
                by_parts(subnet, batch, observed)
            integers = observed.result()
            return torch.cat([by_parts(subnet, batch, integers) for batch, _ in HELD_OUT.batches])
        return torch.cat([SUPERNET(batch, subnet, statistics) for batch, _ in HELD_OUT.batches])


def by_parts(subnet: Subnet, batch: Tensor, numbers: Numbers) -> Tensor:
    x = Stored(batch, 1.0)
    for part in parts(SUPERNET, subnet):
        x = run(part, x, numbers)
    return x.real()


def relatives(seed: int, count: int) -> list[Genotype]:
    """A few genotypes and what differs from them in some genes, as offspring do; some of them equal."""
    rng = np.random.default_rng(seed)
    found = [SPACE.sample(rng)]
    for _ in range(count - 1):
        parent = found[rng.integers(len(found))]
        other = np.where(rng.random(len(parent)) < 0.08, SPACE.sample(rng), parent)
        found.append(SPACE.canonical(other.tolist()))
    return found


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 6),
    memory=st.sampled_from([PLENTY, SOME, 1.0]),
    in_integers=st.booleans(),
)
def test_together_as_each_alone(seed: int, count: int, memory: float, in_integers: bool) -> None:
    subnets = [SPACE.decode(genotype) for genotype in relatives(seed, count)]
    together = calibrate(SUPERNET, subnets, CALIBRATION, memory=MemoryBudget(memory), in_integers=in_integers)
    seen: dict[int, list[Tensor]] = {index: [] for index in range(count)}

    def watch(branch: Branch, scores: Tensor) -> None:
        for index in branch.subnets:
            seen[index].append(scores.clone())

    for batch, _ in HELD_OUT.batches:
        together.scores(batch, watch)
    for index, subnet in enumerate(subnets):
        assert torch.equal(torch.cat(seen[index]), logits(subnet, in_integers=in_integers))


def test_right_and_wrong_images_by_hand() -> None:
    subnets = [SPACE.decode(SPACE.largest()), SPACE.decode(SPACE.smallest())]
    found = correct(calibrate(SUPERNET, subnets, CALIBRATION, memory=MemoryBudget(PLENTY)), HELD_OUT.batches)
    labels = torch.cat([labels for _, labels in HELD_OUT.batches])
    expected = torch.stack([logits(subnet).argmax(1) == labels for subnet in subnets])
    assert torch.equal(found, expected)
    assert found.dtype is torch.bool


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32 - 1), data=st.data(), memory=st.sampled_from([PLENTY, SOME]))
def test_stopping_some_changes_nothing_for_the_others(seed: int, data: st.DataObject, memory: float) -> None:
    subnets = [SPACE.decode(genotype) for genotype in relatives(seed, 5)]
    found = calibrate(SUPERNET, subnets, CALIBRATION, memory=MemoryBudget(memory))
    batches = images(3, batches=4, seed=seed).batches
    whole = correct(found, batches)
    last = data.draw(st.lists(st.integers(1, 4), min_size=5, max_size=5))  # batches that each may see
    asked: list[tuple[int, int]] = []

    def stops(place: int, seen: Tensor) -> bool:
        assert torch.equal(seen, whole[place][: len(seen)])
        asked.append((place, len(seen) // 3))
        return len(seen) >= 3 * last[place]

    parts = correct_until(found, batches, stops)
    assert [len(one) for one in parts] == [3 * one for one in last]
    assert all(torch.equal(part, one[: len(part)]) for part, one in zip(parts, whole, strict=True))
    # Once after each batch but the last, and not again.
    assert sorted(asked) == [
        (place, seen) for place in range(5) for seen in range(1, min(last[place], 3) + 1)
    ]


def test_those_that_are_left_are_a_tree_of_their_own() -> None:
    subnets = [SPACE.decode(genotype) for genotype in relatives(4, 6)]
    found = calibrate(SUPERNET, subnets, CALIBRATION, memory=MemoryBudget(PLENTY))
    left = found.only([4, 1])
    assert left.subnets == (subnets[4], subnets[1])
    alone = calibrate(SUPERNET, [subnets[4], subnets[1]], CALIBRATION, memory=MemoryBudget(PLENTY))
    assert sum(branch.macs for branch in left.branches) == sum(branch.macs for branch in alone.branches)
    (batch, _), _ = HELD_OUT.batches
    assert torch.equal(left.classify(batch), alone.classify(batch))
    assert found.only([]).branches == ()


def test_parts_compute_what_forward_computes() -> None:
    rng = np.random.default_rng(3)
    (batch, _), _ = HELD_OUT.batches
    for genotype in (SPACE.largest(), SPACE.smallest(), SPACE.sample(rng), SPACE.sample(rng)):
        subnet = SPACE.decode(genotype)
        with torch.inference_mode():
            x = batch
            for part in parts(SUPERNET, subnet):
                x = part.run(x, by_batch)
                assert x[0].numel() == part.output
                assert part.working >= part.output
            assert torch.equal(x, SUPERNET(batch, subnet))
        assert sum(part.macs for part in parts(SUPERNET, subnet)) == macs(subnet)
        assert sum(part.params for part in parts(SUPERNET, subnet)) == params(subnet)


def test_folding_changes_nothing_but_rounding() -> None:
    subnet = SPACE.decode(SPACE.largest())
    statistics = one_subnet.record_statistics(SUPERNET, subnet, CALIBRATION)
    with torch.inference_mode():
        plain = torch.cat([SUPERNET(batch, subnet, statistics) for batch, _ in HELD_OUT.batches])
    torch.testing.assert_close(logits(subnet), plain, rtol=1e-3, atol=1e-3)


def trees(genotypes: Sequence[Genotype], room: float) -> tuple[Branch, ...]:
    return grow([tuple(parts(SUPERNET, SPACE.decode(one))) for one in genotypes], room)


def kept(branches: Sequence[Branch]) -> int:
    """Most numbers of one image that forks of the tree keep at a time."""
    return max(
        (branch.parts[-1].output + kept(branch.branches) for branch in branches if branch.branches), default=0
    )


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_trees_hold_every_subnet_once_and_no_more_than_there_is_room_for(seed: int, share: float) -> None:
    genotypes = relatives(seed, 8)
    whole = trees(genotypes, float("inf"))
    room = share * kept(whole)
    tree = trees(genotypes, room)
    leaves = [branch for top in tree for branch in top.all() if not branch.branches]
    assert sorted(index for leaf in leaves for index in leaf.subnets) == list(range(8))
    assert kept(tree) <= room
    alone = sum(macs(SPACE.decode(one)) for one in set(genotypes))
    assert sum(top.macs for top in whole) <= sum(top.macs for top in tree) <= alone


def test_all_that_is_shared_is_computed_once() -> None:
    # Only the head's input differs: the last block of the last stage.
    first = SPACE.largest()
    names = [gene.name for gene in SPACE.genes]
    second = list(first)
    second[names.index("stage4.vit3.mlp_ratio")] = 0
    tree = trees([first, tuple(second), first], float("inf"))
    (top,) = tree
    assert [branch.subnets for branch in top.branches] == [(0, 2), (1,)]
    whole = [macs(SPACE.decode(one)) for one in (first, tuple(second))]
    last = [sum(part.macs for part in branch.parts) for branch in top.branches]
    assert sum(branch.macs for branch in tree) == whole[0] + last[1]
    assert whole[0] - last[0] == whole[1] - last[1]


@pytest.mark.parametrize("in_integers", [False, True])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_scores_that_are_not_finite_name_the_subnet(in_integers: bool, value: float) -> None:
    supernet = Supernet(SPACE).eval()
    with torch.no_grad():
        supernet.classifier.bias[3] = value
    subnets = [SPACE.decode(SPACE.smallest())]
    found = calibrate(supernet, subnets, CALIBRATION, in_integers=in_integers)
    with pytest.raises(H4HError, match=r"subnet 24px stem16 .* not finite"):
        correct(found, HELD_OUT.batches)


@pytest.mark.parametrize(
    "name",
    ["stem.weight", "stages.0.mbconv.depthwise.weight", "stages.2.vit_blocks.1.qkv.weight", "head.weight"],
)
@pytest.mark.parametrize("in_integers", [False, True])
def test_weights_that_are_not_finite_are_seen_wherever_they_are(name: str, in_integers: bool) -> None:
    supernet = Supernet(SPACE).eval()
    with torch.no_grad():
        supernet.get_parameter(name).view(-1)[0] = torch.nan
    found = calibrate(supernet, [SPACE.decode(SPACE.largest())], CALIBRATION, in_integers=in_integers)
    with pytest.raises(H4HError, match=r"subnet 32px stem24 .* not finite"):
        correct(found, HELD_OUT.batches)


@pytest.mark.parametrize("in_integers", [False, True])
def test_full_sharing_is_enough_for_any_set(in_integers: bool) -> None:
    rng = np.random.default_rng(0)
    genotypes = [SPACE.largest(), *(SPACE.sample(rng) for _ in range(15)), *relatives(1, 10)]
    subnets = [SPACE.decode(one) for one in genotypes]
    memory = full_sharing(SUPERNET, torch.float32, in_integers=in_integers)
    one = PreparedImages(tuple((batch[:1], labels[:1]) for batch, labels in CALIBRATION.batches[:1]))
    assert list(groups(SUPERNET, subnets, memory, torch.float32, in_integers=in_integers)) == [subnets]
    found = calibrate(SUPERNET, subnets, one, memory=MemoryBudget(memory), in_integers=in_integers)
    assert isinstance(found, Calibrated)
    assert sum(top.macs for top in found.branches) == sum(top.macs for top in trees(genotypes, float("inf")))


def test_groups_are_runs_whose_weights_fit_into_half_of_what_one_subnet_leaves() -> None:
    subnets = [SPACE.decode(one) for one in relatives(2, 9)]
    least = least_memory(SUPERNET, torch.float32)
    weights = [4 * params(subnet) for subnet in subnets]
    for spare in (0.0, 4 * max(weights), 1e12):
        found = list(groups(SUPERNET, subnets, least + spare, torch.float32))
        assert [one for group in found for one in group] == subnets
        for group in found:
            assert len(group) == 1 or sum(4 * params(one) for one in group) <= spare / 2
        for group, following in pairwise(found):
            assert sum(4 * params(one) for one in (*group, following[0])) > spare / 2
    assert list(map(len, groups(SUPERNET, subnets, least, torch.float32))) == [1] * 9


def test_least_memory_by_hand() -> None:
    # 32 x 32 pixels: 24 channels come in, 144 hidden ones are there before and after batch norm.
    step = SPACE.decode(SPACE.largest()).stages[0].downsampling
    assert isinstance(step, MBConv)
    maps = 256 * 32**2 * (step.in_width + 2 * step.hidden_width)
    weights = params(SPACE.decode(SPACE.largest()))
    in_bf16, overhead = maps, OVERHEAD
    if is_widened(torch.bfloat16, torch.device("cpu")):
        # Input, expanded map, its float32 copy (two numbers each); of that a quarter comes out of the stride.
        overhead += WIDENED_OVERHEAD
        in_bf16 = 256 * 32**2 * (step.in_width + 3 * step.hidden_width + 2 * step.hidden_width // 4)
    assert least_memory(SUPERNET, torch.float32) == OVERHEAD + 4 * (maps + weights)
    assert least_memory(SUPERNET, torch.bfloat16) == overhead + 2 * in_bf16 + 4 * weights
    assert least_memory(SUPERNET, torch.float32, in_integers=True) == OVERHEAD + 4 * (maps + 3 * weights)


@pytest.mark.parametrize("in_integers", [False, True])
def test_few_images_calibrate_and_images_of_any_size_are_resized(in_integers: bool) -> None:
    subnets = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
    one = PreparedImages(tuple((batch[:1], labels[:1]) for batch, labels in CALIBRATION.batches[:1]))
    found = calibrate(SUPERNET, subnets, one, in_integers=in_integers)
    for side in (8, 32, 75):
        assert found.classify(torch.randn(3, 3, side, side)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(4, 1, 32, 32), (4, 3, 32, 24), (3, 32, 32)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    subnets = [SPACE.decode(SPACE.smallest())]
    batch, labels = torch.zeros(shape), torch.zeros(len(CALIBRATION), dtype=torch.int64)
    with pytest.raises(H4HError, match=r"must have shape \(n, 3, s, s\), but got \("):
        calibrate(SUPERNET, subnets, PreparedImages(((batch, labels),)))
    found = calibrate(SUPERNET, subnets, CALIBRATION)
    with pytest.raises(H4HError, match=r"must have shape \(n, 3, s, s\), but got \("):
        correct(found, [(batch, labels)])
