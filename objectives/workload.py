"""Workload of a subnet: its ops in order, with names and the activations that stay in memory meanwhile.

Batch norm, layer scale and ReLU6 fold into the convolution or linear layer before them and cost nothing.
Batch norm of a transformer block folds into the linear layer behind it. GELU is fused into the layer before
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from objectives.hardware.npu_passes.live_memory import map_bytes, op_bytes
from objectives.hardware.npu_passes.spilt_maps import spilt_bytes as op_spilt_bytes
from objectives.hardware.op import Op
from search_space.subnet import (
    LAYER_NORM,
    Block,
    Head,
    MBConv,
    PatchMerging,
    Stage,
    Subnet,
    ViTBlock,
    block_kinds,
    downsampled,
)

IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Step:
    """One op of a workload.

    Attributes:
        name: Place in the network, e.g. ``stage2.conv1.depthwise``.
        op: The op.
        held_bytes: Bytes of activations that stay in memory although the op neither reads nor writes them:
            the residual of its block, or V while the softmax runs.
        is_read_again: Whether the output is a residual, which is read again after the next op.
    """

    name: str
    op: Op
    held_bytes: int = 0
    is_read_again: bool = False

    @property
    def live_bytes(self) -> int:
        """Bytes of activations in memory while the op runs: its own, temporaries included, and held ones."""
        return op_bytes(self.op) + self.held_bytes


def workload(subnet: Subnet) -> tuple[Step, ...]:
    """All ops of `subnet` in the order of execution."""
    stem, side = subnet.stem, subnet.resolution
    steps = [Step("stem", Op("conv2d", side, side, IMAGE_CHANNELS, stem.width, stem.kernel, stem.stride))]
    side = downsampled(side, stem.stride)
    for number, stage in enumerate(subnet.stages, start=1):
        if isinstance(stage.downsampling, MBConv) and stage.downsampling.has_residual:
            steps[-1] = replace(steps[-1], is_read_again=True)
        steps += _stage_steps(f"stage{number}", stage, side)
        side = downsampled(side, stage.stride)
    steps += _head_steps(subnet.head, side)
    return tuple(steps)


def ops_of(steps: Iterable[Step]) -> tuple[Op, ...]:
    """The ops of `steps`, for the cost model."""
    return tuple(step.op for step in steps)


def read_again(steps: Sequence[Step]) -> tuple[int, ...]:
    """Indices of the steps whose output is read again later, for the cost model."""
    return tuple(index for index, step in enumerate(steps) if step.is_read_again)


@lru_cache(maxsize=1 << 14)
def _stage_steps(prefix: str, stage: Stage, side: int) -> tuple[Step, ...]:
    steps = [*_part_steps(f"{prefix}.downsampling", stage.downsampling, side)]
    side = downsampled(side, stage.stride)
    has_tokens = False
    for kind in block_kinds():
        for number, block in enumerate(stage.blocks_of(kind), start=1):
            if block.takes_tokens and not has_tokens:
                embedding = Op("add", side, side, stage.width, stage.width)
                steps.append(Step(f"{prefix}.position_embedding", embedding))
                has_tokens = True
            if block.residual_branches:
                steps[-1] = replace(steps[-1], is_read_again=True)
            steps += _part_steps(f"{prefix}.{kind}{number}", block, side)
    return tuple(steps)


# Random stages seldom repeat, their blocks do.
@lru_cache(maxsize=1 << 14)
def _part_steps(prefix: str, block: Block, side: int) -> tuple[Step, ...]:
    return tuple(BLOCK_STEPS[type(block)](prefix, block, side))


def _patch_merging_steps(prefix: str, part: PatchMerging, side: int) -> Iterator[Step]:
    yield Step(prefix, Op("conv2d", side, side, part.in_width, part.width, part.kernel, part.stride))


def _mbconv_steps(prefix: str, block: MBConv, side: int) -> Iterator[Step]:
    hidden, out_side = block.hidden_width, downsampled(side, block.stride)
    residual = map_bytes(side, side, block.in_width, bricks=True) if block.has_residual else 0
    if block.expansion > 1:
        # The first op reads the residual itself, so nothing else is held.
        yield Step(f"{prefix}.expand", Op("conv2d", side, side, block.in_width, hidden))
    yield Step(
        f"{prefix}.depthwise",
        Op("depthwise", side, side, hidden, hidden, block.kernel, block.stride),
        residual if block.expansion > 1 else 0,
    )
    yield Step(f"{prefix}.project", Op("conv2d", out_side, out_side, hidden, block.width), residual)
    if block.has_residual:
        yield Step(f"{prefix}.add", Op("add", out_side, out_side, block.width, block.width))


def _vit_steps(prefix: str, block: ViTBlock, side: int) -> Iterator[Step]:
    tokens = side**2
    width, inner, heads = block.width, block.attention_width, block.heads
    residual, values = (map_bytes(1, tokens, channels, bricks=False) for channels in (width, inner))
    has_norm = block.norm == LAYER_NORM
    # Without it the linear layers read the residual themselves, so nothing is held besides.
    behind_norm = residual if has_norm else 0

    def linear(in_channels: int, out_channels: int, heads: int = 1, *, gelu: bool = False) -> Op:
        return Op("linear", tokens, 1, in_channels, out_channels, heads=heads, fused_gelu=gelu)

    if has_norm:
        yield Step(f"{prefix}.norm1", Op("norm", tokens, 1, width, width))
    yield Step(f"{prefix}.qkv", linear(width, 3 * inner, heads), behind_norm)
    yield Step(f"{prefix}.scores", Op("matmul", tokens, 1, block.head_dim, tokens, heads=heads), residual)
    yield Step(f"{prefix}.softmax", Op("softmax", tokens, 1, tokens, tokens, heads=heads), residual + values)
    yield Step(f"{prefix}.attend", Op("matmul", tokens, 1, tokens, block.head_dim, heads=heads), residual)
    yield Step(f"{prefix}.projection", linear(inner, width), residual)
    yield Step(f"{prefix}.add1", Op("add", tokens, 1, width, width))
    if has_norm:
        yield Step(f"{prefix}.norm2", Op("norm", tokens, 1, width, width))
    yield Step(f"{prefix}.fc1", linear(width, block.mlp_width, gelu=True), behind_norm)
    yield Step(f"{prefix}.fc2", linear(block.mlp_width, width), residual)
    yield Step(f"{prefix}.add2", Op("add", tokens, 1, width, width))


BLOCK_STEPS: dict[type[Block], Callable[[str, Any, int], Iterator[Step]]] = {
    MBConv: _mbconv_steps,
    PatchMerging: _patch_merging_steps,
    ViTBlock: _vit_steps,
}
"""Steps of each kind of block, from the beginning of their names, the block, and the side of its input."""


def _head_steps(head: Head, side: int) -> Iterator[Step]:
    yield Step("head.conv", Op("conv2d", side, side, head.in_width, head.width))
    yield Step("head.pool", Op("pool", side, side, head.width, head.width, side, side))
    yield Step("head.classifier", Op("linear", 1, 1, head.width, head.classes))


def spilt_bytes(steps: Iterable[Step], sram_bytes: float) -> float:
    """Bytes of the maps that leave an SRAM of `sram_bytes`, summed over the ops."""
    return sum(op_spilt_bytes(step.op, step.held_bytes, sram_bytes) for step in steps)


def peak_bytes(steps: Sequence[Step]) -> int:
    """Peak activation memory in bytes: the smallest SRAM in which the compiler runs the ops one by one."""
    return max(step.live_bytes for step in steps)
