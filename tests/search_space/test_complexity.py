"""MACs and parameters against published counts and counts by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_space.complexity import macs, params
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.subnet import Head, PatchMerging, Stage, Stem, Subnet, ViTBlock


def test_mobilenetv2_at_224_pixels() -> None:
    # Sandler et al., CVPR 2018, table 4: 300 M multiply-adds, 3.4 M parameters. Exact values are those of
    # torchvision's mobilenet_v2 (300,774,272 and 3,504,872).
    assert macs(MOBILENET_V2) == 300_774_272
    assert params(MOBILENET_V2) == 3_504_872


def test_transformer_block_by_hand() -> None:
    block = ViTBlock(width=24, heads=2, head_dim=16, mlp_ratio=3)
    bare = Subnet(
        resolution=8,
        stem=Stem(width=16, stride=1),
        stages=(Stage(PatchMerging(in_width=16, width=24, stride=2), (), ()),),
        head=Head(in_width=24, width=32, classes=10),
    )
    with_block = replace(bare, stages=(replace(bare.stages[0], vit_blocks=(block,)),))
    tokens = 4 * 4
    qkv, projection, mlp = 24 * 96, 32 * 24, 24 * 72 + 72 * 24
    attention = 2 * 2 * tokens * tokens * 16
    assert macs(with_block) - macs(bare) == tokens * (qkv + projection + mlp) + attention
    weights = qkv + projection + mlp
    biases = 96 + 24 + 72 + 24
    norms, scales, positions = 2 * 2 * 24, 2 * 24, tokens * 24
    assert params(with_block) - params(bare) == weights + biases + norms + scales + positions


def test_batch_norm_of_a_transformer_block_costs_nothing() -> None:
    layer = ViTBlock(width=24, heads=2, head_dim=16, mlp_ratio=3)
    batch = replace(layer, norm="batch")
    assert layer.macs(4) == batch.macs(4)
    assert layer.params - batch.params == 2 * (24 + 24)


@pytest.mark.parametrize("side", [7, 8])
def test_patch_merging_rounds_up(side: int) -> None:
    step = PatchMerging(in_width=16, width=24, stride=2)
    subnet = Subnet(
        resolution=side,
        stem=Stem(width=16, stride=1),
        stages=(Stage(step, (), ()),),
        head=Head(in_width=24, width=32, classes=10),
    )
    stem = side**2 * 27 * 16
    assert macs(subnet) == stem + 16 * (4 * 16 * 24) + 16 * 24 * 32 + 320
