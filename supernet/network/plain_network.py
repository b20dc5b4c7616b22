"""One network of a search space as an ordinary torch module: no elastic layers, no choices left.

Made of torch's own layers alone, so that it trains, compiles and exports like any other network.
`extraction` fills it with a supernet's weights.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.subnet import MBConv, PatchMerging, Stage, Subnet, ViTBlock
from supernet.images.labelled_images import check_images, resized
from supernet.network.batch_norm import EPSILON
from supernet.network.cpu_kernels import attention, depthwise

Network = TypeVar("Network", bound=nn.Module)


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
    """``conv``, ``norm`` and, if asked for, ReLU6; a convolution with bias where the norm is folded into it.

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


class TransformerBlock(nn.Module):
    """Pre-norm transformer block with layer scale on both residual branches."""

    def __init__(self, block: ViTBlock) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(block.width)
        self.attention = Attention(block)
        self.attention_scale = nn.Parameter(torch.empty(block.width))
        self.mlp_norm = nn.LayerNorm(block.width)
        self.fc1 = nn.Linear(block.width, block.mlp_width)
        self.fc2 = nn.Linear(block.mlp_width, block.width)
        self.mlp_scale = nn.Parameter(torch.empty(block.width))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        x = x + self.attention_scale.to(x.dtype) * self.attention(self.attention_norm(x))
        out: Tensor = self.fc2(F.gelu(self.fc1(self.mlp_norm(x))))
        return x + self.mlp_scale.to(x.dtype) * out


class PlainStage(nn.Module):
    """Down-sampling step, then inverted bottlenecks, then transformer blocks on the map's positions.

    Args:
        stage: What it computes.
        in_side: Side of the square map that comes in, in positions.
        side: Side of the map that leaves.
        folded: Whether convolutions hold their batch norm.
    """

    def __init__(self, stage: Stage, *, in_side: int, side: int, folded: bool) -> None:
        super().__init__()
        self.side = side
        down = stage.downsampling
        self.downsampling: nn.Module = (
            InvertedBottleneck(down, folded=folded)
            if isinstance(down, MBConv)
            else patch_merging(down, side=in_side, folded=folded)
        )
        self.conv_blocks = nn.Sequential(
            *(InvertedBottleneck(block, folded=folded) for block in stage.conv_blocks)
        )
        self.vit_blocks = nn.Sequential(*map(TransformerBlock, stage.vit_blocks))
        self.positions: nn.Parameter | None = None
        if stage.vit_blocks:
            self.positions = nn.Parameter(torch.empty(1, stage.width, side, side))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, in_width, in_side, in_side)`` -> ``(n, width, side, side)``."""
        x = self.conv_blocks(self.downsampling(x))
        if self.positions is None:
            return x
        x = x + self.positions.to(x.dtype)
        # (n, c, h, w) -> (n, h * w, c); no copy where x is channels_last
        tokens: Tensor = self.vit_blocks(x.permute(0, 2, 3, 1).flatten(1, 2))
        return torch.unflatten(tokens, 1, (self.side, self.side)).permute(0, 3, 1, 2)


class PlainNetwork(nn.Module):
    """The network that `subnet` describes. Layer scales and position embeddings start undefined.

    Args:
        subnet: What it computes.
        folded: Whether convolutions hold their batch norm, as a bias and scaled weights.
    """

    def __init__(self, subnet: Subnet, *, folded: bool = False) -> None:
        super().__init__()
        self.subnet = subnet
        self.folded = folded
        stem, head, sides = subnet.stem, subnet.head, subnet.sides
        self.stem = conv_norm(3, stem.width, kernel=stem.kernel, stride=stem.stride, folded=folded)
        self.stages = nn.Sequential(
            *(
                PlainStage(stage, in_side=sides[number], side=sides[number + 1], folded=folded)
                for number, stage in enumerate(subnet.stages)
            )
        )
        self.head = conv_norm(head.in_width, head.width, folded=folded)
        self.classifier = nn.Linear(head.width, head.classes)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.subnet.head.classes

    @property
    def digest(self) -> str:
        """Digest of the subnet."""
        return self.subnet.digest

    @property
    def title(self) -> str:
        """What messages call the network."""
        return str(self.subnet)

    def forward(self, images: Tensor) -> Tensor:
        """Class scores, ``(n, classes)``.

        Args:
            images: ``(n, 3, s, s)``, normalised; resized (bilinear, antialiased) where `s` is not the
                subnet's resolution.

        Raises:
            H4HError: `images` has another shape.
        """
        check_images(images)
        x = self.head(self.stages(self.stem(resized(images, self.subnet.resolution))))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


class FastDepthwise(nn.Module):
    """A depthwise convolution without bias, in the place and with the weight of `conv`."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = conv.weight
        self.stride = conv.stride[0]

    def forward(self, x: Tensor) -> Tensor:
        """``(n, c, h, w)`` -> ``(n, c, ceil(h / stride), ceil(w / stride))``."""
        # Autocast does not look into functions of our own.
        return depthwise(x, self.weight.to(x.dtype), self.stride)


def with_fast_backward(network: Network) -> Network:
    """`network` itself, its depthwise convolutions and attention products replaced.

    Networks with folded batch norm, which are not trained, are left as they are.
    """
    for module in list(network.modules()):
        if isinstance(module, Attention):
            module.product = attention
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.groups > 1 and child.bias is None:
                setattr(module, name, FastDepthwise(child))
    return network
