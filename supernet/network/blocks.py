"""Elastic blocks: MBConv, patch merging, transformer block, and the stage that holds them.

Each takes a block's description (`search_space.subnet`) and computes that form of itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.block_options import MBCONV, PATCH_MERGING, StageOptions
from search_space.subnet import MBConv, PatchMerging, Stage, ViTBlock
from supernet.network.batch_norm import Normalisation
from supernet.network.cpu_kernels import attention
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticPositions,
    ElasticQKV,
    activated,
    leading,
    normalised,
)
from supernet.network.residual import Residual, add

LAYER_SCALE = 1e-4
"""Start of both residual branches of a transformer block (CaiT, ICCV 2021; NASViT's value). Near zero, so
that blocks added in phase 2 leave phase 1's function as it is."""


class ElasticMBConv(nn.Module):
    """Inverted bottleneck of MobileNetV2 (CVPR 2018), ReLU6 after the first two convolutions."""

    def __init__(self, in_width: int, width: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_width * expansion
        self.expand = ElasticConv2d(in_width, hidden)
        self.expand_norm = ElasticBatchNorm(hidden)
        self.depthwise = ElasticDepthwise(hidden, kernel=kernel, stride=stride)
        self.depthwise_norm = ElasticBatchNorm(hidden)
        self.project = ElasticConv2d(hidden, width)
        self.project_norm = ElasticBatchNorm(width)

    def forward(self, x: Tensor, block: MBConv, normalise: Normalisation, residual: Residual = add) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        out = x
        if block.expansion > 1:
            out = activated(self.expand, self.expand_norm, out, block.hidden_width, normalise)
        out = activated(self.depthwise, self.depthwise_norm, out, block.kernel, normalise)
        projected = normalised(self.project, self.project_norm, out, block.width, normalise)
        return residual(x, projected) if block.has_residual else projected


class ElasticPatchMerging(nn.Module):
    """Convolution over patches without overlap, then batch norm."""

    def __init__(self, in_width: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.merge = ElasticConv2d(in_width, width, kernel=stride, stride=stride)
        self.norm = ElasticBatchNorm(width)

    def forward(self, x: Tensor, block: PatchMerging, normalise: Normalisation) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        return normalised(self.merge, self.norm, x, block.width, normalise)


class ElasticViTBlock(nn.Module):
    """Pre-norm transformer block: multi-head attention and an MLP, each with layer scale and residual."""

    def __init__(self, width: int, *, heads: int, head_dim: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention_norm = ElasticLayerNorm(width)
        self.qkv = ElasticQKV(width, heads=heads, head_dim=head_dim)
        self.projection = ElasticLinear(heads * head_dim, width)
        self.attention_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))
        self.mlp_norm = ElasticLayerNorm(width)
        self.fc1 = ElasticLinear(width, width * mlp_ratio)
        self.fc2 = ElasticLinear(width * mlp_ratio, width)
        self.mlp_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))

    def forward(self, x: Tensor, block: ViTBlock, residual: Residual = add) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        width = block.width
        mixed = self._mixed(x, block.heads)
        x = residual(x, leading(self.attention_scale, width).to(x.dtype) * self.projection(mixed, width))
        del mixed
        hidden = F.gelu(self.fc1(self.mlp_norm(x), block.mlp_width))
        out: Tensor = self.fc2(hidden, width)
        return residual(x, leading(self.mlp_scale, width).to(x.dtype) * out)

    def _mixed(self, x: Tensor, heads: int) -> Tensor:
        """``(n, tokens, width)`` -> ``(n, tokens, heads * head_dim)``; queries and keys end with it."""
        q, k, v = self.qkv(self.attention_norm(x), heads)
        # (n, heads, tokens, head_dim) -> (n, tokens, heads * head_dim)
        return attention(q, k, v).transpose(1, 2).flatten(2)


class ElasticStage(nn.Module):
    """Down-sampling step, then MBConv blocks, then transformer blocks.

    Args:
        in_width: Channels that the largest network hands in.
        side: Largest side of this stage's map, in positions.
        options: The stage's choices.
    """

    def __init__(self, in_width: int, *, side: int, options: StageOptions) -> None:
        super().__init__()
        width = max(options.width)
        down = options.downsampling
        self.mbconv: ElasticMBConv | None = None
        self.patch_merging: ElasticPatchMerging | None = None
        if MBCONV in down.kind:
            self.mbconv = ElasticMBConv(
                in_width,
                width,
                kernel=max(down.kernel),
                stride=options.stride,
                expansion=max(down.expansion),
            )
        if PATCH_MERGING in down.kind:
            self.patch_merging = ElasticPatchMerging(in_width, width, stride=options.stride)
        self.conv_blocks = nn.ModuleList()
        if (conv := options.conv) is not None:
            for _ in range(max(options.conv_depth)):
                self.conv_blocks.append(
                    ElasticMBConv(
                        width, width, kernel=max(conv.kernel), stride=1, expansion=max(conv.expansion)
                    )
                )
        self.vit_blocks = nn.ModuleList()
        if (vit := options.vit) is not None:
            for _ in range(max(options.vit_depth)):
                self.vit_blocks.append(
                    ElasticViTBlock(
                        width, heads=max(vit.heads), head_dim=vit.head_dim, mlp_ratio=max(vit.mlp_ratio)
                    )
                )
        self.positions = ElasticPositions(width, side=side) if self.vit_blocks else None

    def forward(self, x: Tensor, stage: Stage, normalise: Normalisation, residual: Residual = add) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        x = self.downsample(x, stage.downsampling, normalise)
        for layer, block in zip(self.conv_blocks, stage.conv_blocks, strict=False):
            x = layer(x, block, normalise, residual)
        if stage.vit_blocks:
            height, width = x.shape[-2:]
            tokens = self.tokens(x)
            for layer, vit_block in zip(self.vit_blocks, stage.vit_blocks, strict=False):
                tokens = layer(tokens, vit_block, residual)
            x = as_map(tokens, height, width)
        return x

    def downsample(self, x: Tensor, step: MBConv | PatchMerging, normalise: Normalisation) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        layer = self.mbconv if isinstance(step, MBConv) else self.patch_merging
        assert layer is not None
        out: Tensor = layer(x, step, normalise)
        return out

    def tokens(self, x: Tensor) -> Tensor:
        """``(n, c, h, w)`` -> ``(n, h * w, c)`` with position embedding; no copy where x is channels_last."""
        assert self.positions is not None
        tokens: Tensor = self.positions(x).permute(0, 2, 3, 1).flatten(1, 2)
        return tokens


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """``(n, h * w, c)`` -> ``(n, c, h, w)``, channels_last."""
    return tokens.view(len(tokens), height, width, -1).permute(0, 3, 1, 2)
