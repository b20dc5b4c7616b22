"""Gradients of subnets and their cosines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from search_space.errors import H4HError
from search_space.families import without_vit
from search_space.space import Space, known_spaces, load_space
from search_space.subnet import Subnet
from supernet.gradient_conflict.subnet_gradients import (
    ParameterGroup,
    cosines,
    cosines_by_group,
    gradient,
    parameter_groups,
)
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network.supernet import Supernet
from tests.supernet import norm_choice


@pytest.fixture(scope="module")
def batch(four_classes: LabelledImages) -> tuple[Tensor, Tensor]:
    return normalised(four_classes.pixels[:32], torch.float32), four_classes.labels[:32]


@pytest.fixture(scope="module")
def supernet(small_space: Space) -> Supernet:
    torch.manual_seed(0)
    return Supernet(small_space)


def subnets(space: Space, count: int) -> list[Subnet]:
    rng = np.random.default_rng(0)
    return [space.decode(space.sample(rng)) for _ in range(count)]


@pytest.mark.parametrize("name", known_spaces())
def test_every_parameter_has_a_group_and_every_group_parameters(name: str) -> None:
    supernet = Supernet(load_space(name))
    groups = parameter_groups(supernet)
    assert list(groups) == [name for name, _ in supernet.named_parameters()]
    assert set(groups.values()) == set(ParameterGroup) - {ParameterGroup.ALL, ParameterGroup.OTHER}


@pytest.mark.parametrize(
    ("parameter", "group"),
    [
        ("stem.weight", ParameterGroup.CONV),
        ("head.weight", ParameterGroup.CONV),
        ("stages.0.mbconv.depthwise.weight", ParameterGroup.CONV),
        ("stages.0.mbconv.project.weight", ParameterGroup.CONV),
        ("stages.1.patch_merging.merge.weight", ParameterGroup.CONV),
        ("stages.1.vit_blocks.1.qkv.weight", ParameterGroup.ATTENTION),
        ("stages.1.vit_blocks.1.qkv.bias", ParameterGroup.ATTENTION),
        ("stages.1.vit_blocks.1.projection.weight", ParameterGroup.ATTENTION),
        ("stages.1.vit_blocks.0.fc1.weight", ParameterGroup.MLP),
        ("stages.1.vit_blocks.0.fc2.bias", ParameterGroup.MLP),
        ("stages.1.vit_blocks.0.attention_norm.weight", ParameterGroup.NORM),
        ("stages.0.conv_blocks.0.expand_norm.bias", ParameterGroup.NORM),
        ("stages.0.vit_blocks.0.attention_scale", ParameterGroup.LAYER_SCALE),
        ("stages.0.vit_blocks.0.mlp_scale", ParameterGroup.LAYER_SCALE),
        ("stages.0.positions.weight", ParameterGroup.POSITIONS),
        ("classifier.weight", ParameterGroup.CLASSIFIER),
    ],
)
def test_groups(supernet: Supernet, parameter: str, group: ParameterGroup) -> None:
    assert parameter_groups(supernet)[parameter] == group


def test_batch_norm_of_transformer_blocks_belongs_to_the_norms() -> None:
    groups = parameter_groups(norm_choice.SUPERNET)
    assert list(groups) == [name for name, _ in norm_choice.SUPERNET.named_parameters()]
    added = {group for name, group in groups.items() if "_batch_norm." in name}
    assert added == {ParameterGroup.NORM}


def test_gradient_is_that_of_backward(supernet: Supernet, batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch
    for subnet in subnets(supernet.space, 4):
        found = gradient(supernet, subnet, images, labels)
        assert all(weight.grad is None for weight in supernet.parameters())
        torch.autograd.backward(F.cross_entropy(supernet(images, subnet), labels))
        expected = {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in found)
        supernet.zero_grad(set_to_none=True)


def test_gradient_is_zero_outside_the_slice_and_absent_without_the_block(
    supernet: Supernet, batch: tuple[Tensor, Tensor]
) -> None:
    smallest = without_vit(supernet.space.decode(supernet.space.smallest()))
    found = gradient(supernet, smallest, *batch)
    assert found["stem.weight"][: smallest.stem.width].count_nonzero() > 0
    assert found["stem.weight"][smallest.stem.width :].count_nonzero() == 0
    assert not any("vit" in name for name in found)


def test_gradient_does_not_ask_whether_weights_are_frozen(
    supernet: Supernet, batch: tuple[Tensor, Tensor]
) -> None:
    subnet = supernet.space.decode(supernet.space.largest())
    expected = gradient(supernet, subnet, *batch)
    frozen = Supernet(supernet.space).requires_grad_(False)
    frozen.load_state_dict(supernet.state_dict())
    with torch.no_grad():
        found = gradient(frozen, subnet, *batch)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not any(weight.requires_grad for weight in frozen.parameters())


def test_gradient_that_is_not_finite(small_space: Space, batch: tuple[Tensor, Tensor]) -> None:
    broken = Supernet(small_space)
    with torch.no_grad():
        broken.classifier.weight[0, 0] = torch.nan
    with pytest.raises(H4HError, match=r"subnet .* has a gradient that is not finite"):
        gradient(broken, small_space.decode(small_space.largest()), *batch)


def test_cosines_by_hand() -> None:
    rows = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 4.0], [-3.0, -6.0, 0.0], [0.0, 0.0, 1.0]])
    nan = float("nan")
    # The first two share coordinate 0 alone, where they agree; over all three their cosine would be 0.27.
    expected = [[1, 1, -1, nan], [1, 1, -1, 1], [-1, -1, 1, nan], [nan, 1, nan, 1]]
    torch.testing.assert_close(cosines(rows), torch.tensor(expected, dtype=torch.float64), equal_nan=True)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_cosines_are_those_of_the_shared_coordinates(seed: int, density: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(4, 30, generator=generator) * (torch.rand(4, 30, generator=generator) < density)
    found = cosines(rows)
    for first in range(4):
        for second in range(4):
            shared = (rows[first] != 0) & (rows[second] != 0)
            if not shared.any():
                assert found[first, second].isnan()
                continue
            expected = F.cosine_similarity(rows[first][shared].double(), rows[second][shared].double(), dim=0)
            torch.testing.assert_close(found[first, second], expected)
            # Zeros change the size of a cosine, never its sign.
            over_all = F.cosine_similarity(rows[first].double(), rows[second].double(), dim=0)
            assert found[first, second].sign() == over_all.sign()
            assert found[first, second].abs() >= over_all.abs() - 1e-12


def test_tiny_gradients_do_not_underflow() -> None:
    assert cosines(torch.tensor([[1e-30, 1e-30], [1e-30, -1e-30]]))[0].tolist() == pytest.approx([1, 0])


def test_cosines_by_group(supernet: Supernet, batch: tuple[Tensor, Tensor]) -> None:
    space = supernet.space
    largest = space.decode(space.largest())
    chosen = [largest, without_vit(largest), *subnets(space, 2)]
    gradients = [gradient(supernet, subnet, *batch) for subnet in chosen]
    groups = parameter_groups(supernet)
    found = cosines_by_group(gradients, groups)
    assert set(found) == set(ParameterGroup) - {ParameterGroup.OTHER}
    for group, values in found.items():
        used = [name for name in groups if any(name in each for each in gradients)]
        names = [name for name in used if group in (ParameterGroup.ALL, groups[name])]
        assert values.shape == (len(names), 4, 4)
        # A second way: one by one.
        for matrix, name in zip(values, names, strict=True):
            for first, second in pairwise(range(4)):
                if name not in gradients[first] or name not in gradients[second]:
                    assert matrix[first, second].isnan()
                    continue
                one, other = (gradients[index][name].flatten().double() for index in (first, second))
                shared = (one != 0) & (other != 0)
                if shared.any():
                    # torch's cosine_similarity has an epsilon, which some of these gradients are below.
                    directions = [each[shared] / each[shared].norm() for each in (one, other)]
                    torch.testing.assert_close(matrix[first, second], directions[0] @ directions[1])
                else:
                    assert matrix[first, second].isnan()
    for group in (ParameterGroup.ATTENTION, ParameterGroup.MLP, ParameterGroup.LAYER_SCALE):
        assert found[group][:, 0, 1].isnan().all()
    without = cosines_by_group(gradients[1:2] * 2, groups)
    assert ParameterGroup.ATTENTION not in without
    torch.testing.assert_close(without[ParameterGroup.CONV], torch.ones_like(without[ParameterGroup.CONV]))
