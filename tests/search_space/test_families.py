"""Families of subnets, including the boundary cases."""

from __future__ import annotations

import pytest

from search_space.families import Family, family, family_counts
from search_space.subnet import Head, MBConv, PatchMerging, Stage, Stem, Subnet, ViTBlock

CONV = MBConv(in_width=16, width=16, kernel=3, stride=1, expansion=2)
VIT = ViTBlock(width=16, heads=1, head_dim=16, mlp_ratio=1)
MERGE = PatchMerging(in_width=16, width=16, stride=1)


def network(*stages: tuple[MBConv | PatchMerging, int, int]) -> Subnet:
    """Stages of (down-sampling, convolution blocks, transformer blocks)."""
    return Subnet(
        resolution=8,
        stem=Stem(width=16, stride=1),
        stages=tuple(Stage(down, (CONV,) * convs, (VIT,) * vits) for down, convs, vits in stages),
        head=Head(in_width=16, width=16, classes=10),
    )


CASES = [
    (network((CONV, 2, 0), (CONV, 0, 0)), Family.CNN),
    (network((MERGE, 0, 0)), Family.NONE),
    (network((MERGE, 0, 2), (MERGE, 0, 1)), Family.VIT),
    (network((CONV, 1, 0), (MERGE, 0, 2)), Family.CNN_THEN_VIT),
    (network((MERGE, 1, 1), (MERGE, 0, 2)), Family.CNN_THEN_VIT),
    (network((MERGE, 0, 1), (CONV, 0, 0)), Family.MIXED),
    (network((CONV, 1, 1), (CONV, 1, 1)), Family.MIXED),
]


@pytest.mark.parametrize(("subnet", "expected"), CASES)
def test_family(subnet: Subnet, expected: Family) -> None:
    assert family(subnet) is expected


def test_counts_name_every_family() -> None:
    assert family_counts([]) == dict.fromkeys(Family, 0)
    counts = family_counts(subnet for subnet, _ in CASES)
    assert counts == {
        Family.CNN: 1,
        Family.VIT: 1,
        Family.CNN_THEN_VIT: 2,
        Family.MIXED: 2,
        Family.NONE: 1,
    }
