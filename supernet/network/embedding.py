"""A plain network as a supernet with one subnet, so that it runs wherever subnets of a supernet run.

    supernet, statistics = embedded(load_extracted(Path("network.safetensors")))
    supernet(images, network.subnet, statistics)   # the logits of the network

This is the reverse of `extraction.extract`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from search_space.block_options import (
    MBCONV,
    OPTIONS,
    PATCH_MERGING,
    BlockOptions,
    ConvOptions,
    DownsamplingOptions,
    HeadOptions,
    OtherBlocks,
    StageOptions,
    StemOptions,
    ViTOptions,
)
from search_space.space import Space
from search_space.subnet import CONV, VIT, Block, MBConv, Stage, Subnet, ViTBlock, block_kinds
from supernet.checkpoints.header import EPSILON
from supernet.network.batch_norm import Recorded
from supernet.network.blocks import ElasticViTBlock
from supernet.network.elastic_layers import ElasticBatchNorm, leading
from supernet.network.elastic_stage import ElasticStage
from supernet.network.extracted_tensors import Norms, Slices
from supernet.network.extraction import subnet_tensors
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet import Supernet


@torch.no_grad()
def embedded(network: PlainNetwork) -> tuple[Supernet, Recorded]:
    """A supernet that contains `network`, in evaluation mode on its device, and the batch-norm statistics.

    Args:
        network: The network; with folded batch norm, the statistics are those of a batch norm without effect.
    """
    supernet = Supernet(
        space_of(network.subnet),
        # Without batch norm in the network, that of the supernet has no effect for this value.
        epsilon=EPSILON if network.folded else network.epsilon,
        pixel_scale=network.pixel_scale,
    )
    supernet.to(next(network.parameters()).device).eval()
    values = network.state_dict()
    norms = OwnStatistics()
    for name, slice_ in subnet_tensors(supernet, network.subnet, norms):
        slice_.copy_(values[name] if name in values else _without_effect(name, values))
    _set_attention(supernet, network.subnet, values)
    return supernet, Recorded(norms.statistics)


def space_of(subnet: Subnet) -> Space:
    """A small search space that contains `subnet`."""
    return Space(
        name="network",
        resolution=(subnet.resolution,),
        stem=StemOptions(subnet.stem.stride, (subnet.stem.width,)),
        stages=tuple(map(_stage_options, subnet.stages)),
        head=HeadOptions(subnet.head.width, subnet.head.classes),
    )


def _stage_options(stage: Stage) -> StageOptions:
    step = stage.downsampling
    is_mbconv = isinstance(step, MBConv)
    blocks = {kind: stage.blocks_of(kind) for kind in block_kinds()}
    options = {kind: _block_options(kind, blocks[kind]) for kind in blocks if blocks[kind]}
    conv, vit = options.get(CONV), options.get(VIT)
    assert conv is None or isinstance(conv, ConvOptions)
    assert vit is None or isinstance(vit, ViTOptions)
    return StageOptions(
        stride=step.stride,
        width=(stage.width,),
        downsampling=DownsamplingOptions(
            (MBCONV,) if is_mbconv else (PATCH_MERGING,),
            (step.kernel,) if is_mbconv else (3,),
            (step.expansion,) if isinstance(step, MBConv) else (1,),
        ),
        conv_depth=(len(blocks[CONV]),),
        vit_depth=(len(blocks[VIT]),),
        conv=conv,
        vit=vit,
        blocks=tuple(
            OtherBlocks(kind, (len(blocks[kind]),), options[kind])
            for kind in options
            if kind not in (CONV, VIT)
        ),
    )


def _block_options(kind: str, blocks: Sequence[Block]) -> BlockOptions:
    """Options that cover all `blocks` of one kind."""
    values: dict[str, Any] = {}
    for field in fields(OPTIONS[kind]):
        of_blocks = {getattr(block, field.name) for block in blocks}
        values[field.name] = (
            tuple(sorted(of_blocks)) if str(field.type).startswith("tuple") else of_blocks.pop()
        )
    return OPTIONS[kind](**values)


class OwnStatistics(Norms):
    """Tensors of batch norm whose statistics are to be filled, and kept for each layer."""

    def __init__(self) -> None:
        super().__init__(None)
        self.statistics: dict[Any, tuple[Tensor, Tensor]] = {}

    def slices(self, site: ElasticBatchNorm, width: int, name: str) -> Slices:
        for part, value in super().slices(site, width, name):
            if part == f"{name}.running_mean":
                mean = value
            elif part == f"{name}.running_var":
                self.statistics[site] = mean, value
            yield part, value


def _without_effect(name: str, values: dict[str, Tensor]) -> Tensor:
    """Value of a batch-norm tensor where the convolution before or the linear layer behind holds the norm."""
    norm, _, part = name.rpartition(".")
    block, _, kind = norm.rpartition(".")
    bias = values.get(f"{block}.conv.bias") if kind == "norm" else None
    if part == "bias" and bias is not None:
        return bias
    return torch.tensor({"weight": 1.0, "running_var": 1 - EPSILON}.get(part, 0.0))


def _set_attention(supernet: Supernet, subnet: Subnet, values: dict[str, Tensor]) -> None:
    """Copies queries, keys and values, whose slices are no views of the weights."""
    for number, (layer, stage) in enumerate(zip(supernet.stages, subnet.stages, strict=True)):
        assert isinstance(layer, ElasticStage)
        blocks = [each for each in layer.layers(stage) if isinstance(each[1], ElasticViTBlock)]
        for place, (kind, elastic, block) in enumerate(blocks):
            assert isinstance(block, ViTBlock)
            qkv = elastic.qkv
            for part in ("weight", "bias"):
                value = values[f"stages.{number}.{kind}_blocks.{place}.attention.qkv.{part}"]
                target = leading(getattr(qkv, part), 3, block.heads)
                target.copy_(value.view(target.shape))
