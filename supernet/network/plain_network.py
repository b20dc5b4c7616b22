"""Plain network: one subnet as an ordinary torch module, without elastic layers.

It consists of torch's own layers, so that it trains, compiles and exports like any other network.
`extraction` fills it with the weights of a supernet.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from search_space.subnet import BLOCKS, Stage, Subnet, block_kinds
from supernet.checkpoints.header import EPSILON
from supernet.checkpoints.image_input import CIFAR10_SCALE, PixelScale
from supernet.images.labelled_images import check_images, resized
from supernet.network.blocks import ELASTIC_BLOCKS
from supernet.network.cpu_kernels import attention, depthwise
from supernet.network.plain_blocks import Attention, conv_norm

Network = TypeVar("Network", bound=nn.Module)


class PlainStage(nn.Module):
    """Down-sampling step, then blocks on the map, then blocks on its positions as tokens.

    Args:
        stage: Description of the stage.
        in_side: Side of the square input map, in positions.
        side: Side of the output map, in positions.
        folded: Whether convolutions and linear layers hold the adjacent batch norm.
    """

    def __init__(self, stage: Stage, *, in_side: int, side: int, folded: bool) -> None:
        super().__init__()
        self.side = side
        down = stage.downsampling
        self.downsampling = ELASTIC_BLOCKS[type(down)].plain(down, side=in_side, folded=folded)
        for kind in block_kinds():
            blocks = stage.blocks_of(kind)
            plain = (ELASTIC_BLOCKS[type(block)].plain(block, side=side, folded=folded) for block in blocks)
            self.add_module(f"{kind}_blocks", nn.Sequential(*plain))
        self.positions: nn.Parameter | None = None
        if any(block.takes_tokens for block in stage.blocks):
            self.positions = nn.Parameter(torch.empty(1, stage.width, side, side))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, in_width, in_side, in_side)`` -> ``(n, width, side, side)``."""
        x = self.downsampling(x)
        for kind in block_kinds():
            if not BLOCKS[kind].takes_tokens:
                x = getattr(self, f"{kind}_blocks")(x)
        if self.positions is None:
            return x
        x = x + self.positions.to(x.dtype)
        # (n, c, h, w) -> (n, h * w, c); no copy where x is channels_last
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2)
        for kind in block_kinds():
            if BLOCKS[kind].takes_tokens:
                tokens = getattr(self, f"{kind}_blocks")(tokens)
        return torch.unflatten(tokens, 1, (self.side, self.side)).permute(0, 3, 1, 2)


class PlainNetwork(nn.Module):
    """The network that `subnet` describes. Layer scales and position embeddings start undefined.

    Args:
        subnet: Description of the network.
        folded: Whether convolutions and linear layers hold the adjacent batch norm, as a bias and scaled
            weights.
        epsilon: Constant that batch norm adds to the variance.
        pixel_scale: Normalisation of the pixels of its images.
    """

    def __init__(
        self,
        subnet: Subnet,
        *,
        folded: bool = False,
        epsilon: float = EPSILON,
        pixel_scale: PixelScale = CIFAR10_SCALE,
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.pixel_scale = pixel_scale
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
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eps = epsilon

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
        """Name of the network in messages."""
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
        # Autocast does not apply to custom functions.
        return depthwise(x, self.weight.to(x.dtype), self.stride)


def with_fast_backward(network: Network) -> Network:
    """Replaces depthwise convolutions and attention products of `network` in place, and returns it.

    Networks with folded batch norm are not trained and stay unchanged.
    """
    for module in list(network.modules()):
        if isinstance(module, Attention):
            module.product = attention
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.groups > 1 and child.bias is None:
                setattr(module, name, FastDepthwise(child))
    return network
