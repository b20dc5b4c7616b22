"""Layers and blocks of plain networks, made of torch's own layers alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.subnet import LAYER_NORM, MBConv, PatchMerging, ViTBlock
from supernet.checkpoints.header import EPSILON


def conv_norm(
    in_width: int,
    width: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
    folded: bool,
) -> nn.Sequential:
    """``conv``, ``norm`` and, if `activation`, ReLU6; with a folded norm, a convolution with bias.

    ``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``; an even kernel must equal
    the stride and divide the side.
    """
    padding = kernel // 2 if kernel % 2 else 0
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        in_width, width, kernel, stride=stride, padding=padding, groups=groups, bias=folded
    )
    if not folded:
        layers["norm"] = nn.BatchNorm2d(width, eps=EPSILON)
    if activation:
        layers["activation"] = nn.ReLU6(inplace=True)
    return nn.Sequential(layers)


class InvertedBottleneck(nn.Sequential):
    """MBConv of MobileNetV2 (CVPR 2018): ``expand`` (absent for expansion 1), ``depthwise``, ``project``."""

    def __init__(self, block: MBConv, *, folded: bool) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        hidden = block.hidden_width
        if block.expansion > 1:
            layers["expand"] = conv_norm(block.in_width, hidden, folded=folded)
        layers["depthwise"] = conv_norm(
            hidden, hidden, kernel=block.kernel, stride=block.stride, groups=hidden, folded=folded
        )
        layers["project"] = conv_norm(hidden, block.width, activation=False, folded=folded)
        super().__init__(layers)
        self.has_residual = block.has_residual

    def forward(self, x: Tensor) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        out = x
        for layer in self:
            out = layer(out)
        return out + x if self.has_residual else out


def patch_merging(block: PatchMerging, *, side: int, folded: bool) -> nn.Sequential:
    """Convolution over patches without overlap, then batch norm; pads a `side` not divided by the stride."""
    layers = conv_norm(
        block.in_width,
        block.width,
        kernel=block.kernel,
        stride=block.stride,
        activation=False,
        folded=folded,
    )
    ragged = -side % block.stride
    if not ragged:
        return layers
    return nn.Sequential(
        OrderedDict(pad=nn.ZeroPad2d((0, ragged, 0, ragged)), **dict(layers.named_children()))
    )


class Attention(nn.Module):
    """Multi-head self-attention.

    Attributes:
        product: softmax(q k^T / sqrt(head_dim)) v; torch's own, unless replaced (see `fast_backward`).
    """

    def __init__(self, block: ViTBlock) -> None:
        super().__init__()
        self.heads = block.heads
        self.qkv = nn.Linear(block.width, 3 * block.attention_width)
        self.projection = nn.Linear(block.attention_width, block.width)
        self.product: Callable[[Tensor, Tensor, Tensor], Tensor] = F.scaled_dot_product_attention

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        # (n, tokens, 3 * heads * head_dim) -> (3, n, heads, tokens, head_dim)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        out: Tensor = self.projection(self.product(q, k, v).transpose(1, 2).flatten(2))
        return out


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm over the channels of tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


def token_norm(block: ViTBlock, *, folded: bool) -> nn.Module:
    """Layer norm, or batch norm; where that is folded into the linear layer behind, nothing."""
    if block.norm == LAYER_NORM:
        return nn.LayerNorm(block.width)
    return nn.Identity() if folded else TokenBatchNorm(block.width, eps=EPSILON)


class TransformerBlock(nn.Module):
    """Pre-norm transformer block with layer scale on both residual branches."""

    def __init__(self, block: ViTBlock, *, folded: bool) -> None:
        super().__init__()
        self.attention_norm = token_norm(block, folded=folded)
        self.attention = Attention(block)
        self.attention_scale = nn.Parameter(torch.empty(block.width))
        self.mlp_norm = token_norm(block, folded=folded)
        self.fc1 = nn.Linear(block.width, block.mlp_width)
        self.fc2 = nn.Linear(block.mlp_width, block.width)
        self.mlp_scale = nn.Parameter(torch.empty(block.width))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        x = x + self.attention_scale.to(x.dtype) * self.attention(self.attention_norm(x))
        out: Tensor = self.fc2(F.gelu(self.fc1(self.mlp_norm(x))))
        return x + self.mlp_scale.to(x.dtype) * out
