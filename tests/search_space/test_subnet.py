"""Subnets as immutable values."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from search_space.errors import DocumentError
from search_space.subnet import Head, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock, downsampled

VIT = ViTBlock(width=24, heads=2, head_dim=16, mlp_ratio=3)
SUBNET = Subnet(
    resolution=30,
    stem=Stem(width=16, stride=1),
    stages=(
        Stage(MBConv(in_width=16, width=24, kernel=5, stride=2, expansion=4), (), (VIT,)),
        Stage(
            PatchMerging(in_width=24, width=32, stride=2),
            (MBConv(in_width=32, width=32, kernel=3, stride=1, expansion=1),),
            (),
        ),
    ),
    head=Head(in_width=32, width=64, classes=10),
)


def test_counts_and_widths() -> None:
    assert (SUBNET.conv_blocks, SUBNET.vit_blocks) == (2, 1)
    assert SUBNET.vit_per_10_conv == 5
    assert VIT.attention_width == 32
    assert VIT.mlp_width == 72
    assert SUBNET.stages[1].downsampling.stride == 2


def test_sides_are_rounded_up() -> None:
    assert SUBNET.sides == (30, 15, 8)
    assert [downsampled(side, 2) for side in (1, 7, 8)] == [1, 4, 4]


def test_residual_needs_stride_one_and_equal_widths() -> None:
    block = MBConv(in_width=32, width=32, kernel=3, stride=1, expansion=2)
    assert block.has_residual
    assert not replace(block, stride=2).has_residual
    assert not replace(block, width=40).has_residual


@pytest.mark.parametrize(
    ("conv", "vit", "ratio"), [((), (), 0.0), ((), (VIT,), float("inf"))], ids=["no block", "pure ViT"]
)
def test_block_ratio_without_convolution_blocks(
    conv: tuple[MBConv, ...], vit: tuple[ViTBlock, ...], ratio: float
) -> None:
    stage = Stage(PatchMerging(in_width=16, width=24, stride=2), conv, vit)
    assert replace(SUBNET, stages=(stage,)).vit_per_10_conv == ratio


def test_equal_subnets_are_one_value() -> None:
    twin = replace(SUBNET)
    assert twin == SUBNET
    assert hash(twin) == hash(SUBNET)
    assert twin.digest == SUBNET.digest
    assert replace(SUBNET, resolution=32).digest != SUBNET.digest


def test_digest_tells_the_kind_of_a_step_and_not_only_its_numbers() -> None:
    record = SUBNET.to_json()
    kinds = [stage["downsampling"]["kind"] for stage in record["stages"]]
    assert kinds == ["mbconv", "patch_merging"]
    assert json.loads(json.dumps(record))["stages"][0]["vit_blocks"][0]["heads"] == 2


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        SUBNET.resolution = 8  # type: ignore[misc]


def test_text_shows_every_block() -> None:
    assert str(SUBNET) == "30px stem16 | 24:mb5x4 vit2h3r | 32:merge mb3x1"


BATCH = replace(SUBNET, stages=(replace(SUBNET.stages[0], vit_blocks=(replace(VIT, norm="batch"), VIT)),))


def test_text_and_json_tell_batch_norm_from_layer_norm() -> None:
    assert str(BATCH) == "30px stem16 | 24:mb5x4 vit2h3r-bn vit2h3r"
    plain = {"width": 24, "heads": 2, "head_dim": 16, "mlp_ratio": 3}
    assert list(BATCH.to_json()["stages"][0]["vit_blocks"]) == [{**plain, "norm": "batch"}, plain]


def test_digest_of_a_network_with_layer_norm_is_what_it_was() -> None:
    # As version 0.1.0, which knew no batch norm of transformer blocks, computes it.
    assert SUBNET.digest == "f9f44cd3ccae"


@pytest.mark.parametrize("subnet", [SUBNET, BATCH], ids=["layer norm", "batch norm"])
def test_json_is_read_back(subnet: Subnet) -> None:
    assert Subnet.from_json(json.loads(json.dumps(subnet.to_json()))) == subnet


def test_json_with_an_unknown_norm_is_refused() -> None:
    record = BATCH.to_json()
    record["stages"][0]["vit_blocks"][0]["norm"] = "group"
    with pytest.raises(DocumentError, match=r"not a description of a subnet: KeyError.'group'"):
        Subnet.from_json(record)


@pytest.mark.parametrize(
    "change",
    [{"stem": None}, {"stem": {"size": 3}}, {"stages": 4}, {"stages": [{}]}, {"head": {"width": 1}}],
)
def test_json_of_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DocumentError, match="not a description of a subnet"):
        Subnet.from_json({**SUBNET.to_json(), **change})
    with pytest.raises(DocumentError):
        Subnet.from_json([])
