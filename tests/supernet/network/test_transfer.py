"""Transfer of weights: what two spaces share computes the same, and everything else keeps its start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.network.supernet import Supernet
from supernet.network.transfer import PartTransfer, transfer, unused_parts
from tests.supernet.conftest import SMALL


def changed(**stages: Any) -> Space:
    """The space `small` with other values: ``first`` and ``second`` for its stages, others by their key."""
    data: dict[str, Any] = yaml.safe_load(SMALL)
    for number, name in enumerate(("first", "second")):
        for key, value in stages.pop(name, {}).items():
            data["stages"][number][key] = value
    return parse_document(Space, {**data, "name": "other", **stages}, source="other")


def supernet(space: Space, seed: int) -> Supernet:
    """A supernet whose weights are all random, also those that start at a constant."""
    torch.manual_seed(seed)
    network = Supernet(space)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape))
    return network


def by_part(parts: list[PartTransfer]) -> dict[str, PartTransfer]:
    return {part.part: part for part in parts}


LARGER = changed(
    stem={"stride": 1, "width": [8, 16, 24]},
    first={
        "width": [8, 16, 32],
        "downsampling": {"kind": ["mbconv", "patch_merging"], "kernel": [3, 5, 7], "expansion": [1, 2, 3]},
        "conv_depth": [0, 1, 2],
        "conv": {"kernel": [3, 7], "expansion": [2, 4]},
        "vit": {"heads": [1, 2, 3], "head_dim": 8, "mlp_ratio": [1, 2, 3]},
    },
)
"""Everything of `small` and more, so that it holds all networks of `small`."""


def test_networks_of_both_spaces_compute_the_same(small_space: Space) -> None:
    source, target = supernet(small_space, 0), supernet(LARGER, 1)
    parts = by_part(transfer(source, target))
    images = torch.randn(4, 3, 16, 16)
    rng = np.random.default_rng(0)
    genotypes = [small_space.largest(), small_space.smallest(), *(small_space.sample(rng) for _ in range(6))]
    with torch.inference_mode():
        for subnet in map(small_space.decode, genotypes):
            torch.testing.assert_close(target(images, subnet), source(images, subnet))
    assert parts["classifier"].taken == parts["classifier"].weights == 4 * 32 + 4
    assert parts["stage 1"].left_out == {"not in small": ["conv block 2"]}
    # Of the stem, 16 of 24 channels: 3x3 kernels on 3 channels, and scale and shift of batch norm.
    assert (parts["stem"].weights, parts["stem"].taken) == (24 * 29, 16 * 29)


def test_a_smaller_space_takes_the_leading_part(small_space: Space) -> None:
    source, target = supernet(LARGER, 0), supernet(small_space, 1)
    parts = transfer(source, target)
    assert all(part.taken == part.weights for part in parts)
    images, subnet = torch.randn(4, 3, 16, 16), small_space.decode(small_space.largest())
    with torch.inference_mode():
        torch.testing.assert_close(target(images, subnet), source(images, subnet))
    assert unused_parts(source, target) == ["stage 1 conv block 2"]


def test_another_number_of_classes_leaves_out_the_classifier_only(small_space: Space) -> None:
    space = replace(small_space, name="pets", head=replace(small_space.head, classes=7))
    source, target = supernet(small_space, 0), supernet(space, 1)
    before = {name: weight.clone() for name, weight in target.state_dict().items()}
    parts = by_part(transfer(source, target))
    assert parts["classifier"] == PartTransfer("classifier", 7 * 32 + 7, 0, {"4 -> 7 classes": ["all"]})
    for name, weight in target.state_dict().items():
        expected = before if name.startswith("classifier") else source.state_dict()
        assert torch.equal(weight, expected[name])


def test_what_does_not_fit_keeps_its_start_and_is_named(small_space: Space) -> None:
    vit = {"heads": [1, 2], "head_dim": 16, "mlp_ratio": [1], "norm": ["batch"]}
    space = changed(second={"stride": 1, "vit": vit})
    source, target = supernet(small_space, 0), supernet(space, 1)
    before = {name: weight.clone() for name, weight in target.state_dict().items()}
    part = by_part(transfer(source, target))["stage 2"]
    assert part.left_out == {
        "kernel 2 -> 1": ["patch merging"],
        "not in small": [
            *("attention_batch_norm of vit block 1", "mlp_batch_norm of vit block 1"),
            *("attention_batch_norm of vit block 2", "mlp_batch_norm of vit block 2"),
        ],
        "head_dim 8 -> 16": ["attention of vit block 1", "attention of vit block 2"],
    }
    after = target.state_dict()
    for layer in ("patch_merging.merge", "vit_blocks.0.qkv", "vit_blocks.1.projection"):
        name = f"stages.1.{layer}.weight"
        assert torch.equal(after[name], before[name])
    positions = torch.nn.functional.interpolate(
        source.state_dict()["stages.1.positions.weight"], (8, 8), mode="bilinear", align_corners=False
    )
    assert torch.equal(after["stages.1.positions.weight"], positions)


@pytest.mark.parametrize(("before", "after"), [([3], [5]), ([5], [3])])
def test_kernels_are_matched_at_their_centres(before: list[int], after: list[int]) -> None:
    def space(kernel: list[int]) -> Space:
        return changed(first={"conv": {"kernel": kernel, "expansion": [2]}})

    source, target = supernet(space(before), 0), supernet(space(after), 1)
    transfer(source, target)
    name = "stages.0.conv_blocks.0.depthwise.weight"
    small, large = sorted(
        (source.state_dict()[name], target.state_dict()[name]), key=lambda kernel: kernel.shape[-1]
    )
    assert torch.equal(large[..., 1:4, 1:4], small)
    if after == [5]:
        assert torch.equal(large, torch.nn.functional.pad(small, (1, 1, 1, 1)))
