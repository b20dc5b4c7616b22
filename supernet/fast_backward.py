"""A plain network with the kernels whose backward is fast on CPUs (`depthwise`, `attention`).

Values, gradients (up to rounding) and names of the weights stay; the modules are then no longer torch's own.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from supernet.attention import attention
from supernet.depthwise import depthwise
from supernet.plain import Attention

Network = TypeVar("Network", bound=nn.Module)


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
