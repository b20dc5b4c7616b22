"""Families of subnets: the order of convolution and transformer blocks.

The first four families are those that the H4H paper lists for its search space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from search_space.subnet import PatchMerging, Subnet


class Family(StrEnum):
    """Order of the blocks along the depth. Stem, patch merging and head do not count as blocks."""

    CNN = "cnn"
    """MBConv blocks and no transformer blocks (as in MobileNetV2)."""
    VIT = "vit"
    """Transformer blocks and no MBConv blocks."""
    CNN_THEN_VIT = "cnn-then-vit"
    """All MBConv blocks before all transformer blocks."""
    MIXED = "mixed"
    """At least one MBConv block after a transformer block."""
    NONE = "none"
    """No blocks at all, only stem, patch merging and head."""


BLOCK_FAMILIES = tuple(member for member in Family if member is not Family.NONE)
"""Families of networks with blocks: the four of the paper."""


def family(subnet: Subnet) -> Family:
    """The family of `subnet`; each subnet belongs to exactly one."""
    blocks = [part for part in subnet.sequence() if not isinstance(part, PatchMerging)]
    is_conv = [not block.takes_tokens for block in blocks]
    if not blocks:
        return Family.NONE
    if all(is_conv):
        return Family.CNN
    if not any(is_conv):
        return Family.VIT
    first_vit = is_conv.index(False)
    return Family.MIXED if any(is_conv[first_vit:]) else Family.CNN_THEN_VIT


def family_counts(subnets: Iterable[Subnet]) -> dict[Family, int]:
    """Number of `subnets` in each family, including families without any."""
    counts = Counter(map(family, subnets))
    return {member: counts[member] for member in Family}


def without_vit(subnet: Subnet) -> Subnet:
    """The subnet without its transformer blocks and all other blocks on tokens."""
    stages = (
        replace(
            stage,
            vit_blocks=(),
            other_blocks=tuple(block for block in stage.other_blocks if not block.takes_tokens),
        )
        for stage in subnet.stages
    )
    return replace(subnet, stages=tuple(stages))
