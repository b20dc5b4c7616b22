"""Elastic layers: each holds the weights of its largest form and computes with the leading part of them.

All layers compute in the dtype of their input. Weights are stored in float32 and cast when used. Slicing the
leading channels follows slimmable networks and once-for-all (ICLR 2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from supernet.network.batch_norm import Folded, Normalisation, Site
from supernet.network.cpu_kernels import convolution_relu6, depthwise
from supernet.network.number_formats import is_widened


def leading(weight: Tensor, *lengths: int) -> Tensor:
    """A view of the leading `lengths` of `weight`'s first dimensions, whole in all others."""
    return weight[tuple(slice(0, length) for length in lengths)]


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``(..., c)`` -> ``(..., width)`` by `weight` ``(width, c)``, in the dtype of `x`."""
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    if is_widened(x.dtype, x.device):
        return F.linear(x.float(), weight.float(), bias.float()).to(x.dtype)
    return F.linear(x, weight, bias)


class ElasticConv2d(nn.Module):
    """Dense convolution with "same" padding, without bias.

    Args:
        in_width, width: Channels of the largest form.
        kernel: Side of the kernel. An even kernel must equal the stride (patches without overlap).
        stride: Stride.
    """

    def __init__(self, in_width: int, width: int, *, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(width, in_width, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_out")

    def forward(self, x: Tensor, width: int) -> Tensor:
        """``(n, c, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        return self.convolve(x, self.form(x.shape[1], width).to(x.dtype))

    def form(self, in_width: int, width: int) -> Tensor:
        """``(width, in_width, kernel, kernel)``, a view of the weights."""
        return leading(self.weight, width, in_width)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolves with a form of the weights, or one derived from it."""
        if is_widened(x.dtype, x.device):
            wide_bias = None if bias is None else bias.float()
            return self.convolve(x.float(), weight.float(), wide_bias).to(x.dtype)
        padding = self.kernel // 2
        if self.kernel % 2 == 0:
            padding = 0
            ragged = [-side % self.stride for side in x.shape[-2:]]
            if any(ragged):
                x = F.pad(x, (0, ragged[1], 0, ragged[0]))
        return F.conv2d(x, weight, bias, stride=self.stride, padding=padding)


class ElasticDepthwise(nn.Module):
    """Depthwise convolution; a smaller kernel is the centre of the largest one."""

    def __init__(self, width: int, *, kernel: int, stride: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(width, 1, kernel, kernel))
        nn.init.normal_(self.weight, std=math.sqrt(2.0 / kernel**2))

    def forward(self, x: Tensor, kernel: int) -> Tensor:
        """``(n, c, h, w)`` -> ``(n, c, ceil(h / stride), ceil(w / stride))``."""
        return self.convolve(x, self.form(x.shape[1], kernel).to(x.dtype))

    def form(self, width: int, kernel: int) -> Tensor:
        """``(width, 1, kernel, kernel)``, a view of the weights."""
        margin = (self.kernel - kernel) // 2
        return leading(self.weight, width)[..., margin : margin + kernel, margin : margin + kernel]

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Convolves with a form of the weights, or one derived from it."""
        return depthwise(x, weight, self.stride, bias)


class ElasticBatchNorm(Site):
    """Batch norm over the leading channels, without statistics of its own (see `normalisation`)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, normalise: Normalisation) -> Tensor:
        """``(n, c, h, w)`` -> the same shape."""
        return normalise(self, x, *self.form(x.shape[1]))

    def form(self, width: int) -> tuple[Tensor, Tensor]:
        """Scale and shift, each ``(width,)``, views of the weights."""
        return leading(self.weight, width), leading(self.bias, width)


def normalised_convolution(
    convolution: ElasticConv2d | ElasticDepthwise,
    norm: ElasticBatchNorm,
    x: Tensor,
    form: int,
    normalise: Normalisation,
) -> Tensor:
    """Convolution, in the form with `form` output channels or that kernel, then batch norm."""
    if not isinstance(normalise, Folded):
        out: Tensor = norm(convolution(x, form), normalise)
        return out
    return convolution.convolve(x, *_folded(convolution, norm, x, form, normalise))


def activated_convolution(
    convolution: ElasticConv2d | ElasticDepthwise,
    norm: ElasticBatchNorm,
    x: Tensor,
    form: int,
    normalise: Normalisation,
) -> Tensor:
    """As `normalised_convolution`, with an odd kernel, then ReLU6; with `Folded`, a NaN may become 0 or 6."""
    if not isinstance(normalise, Folded):
        return F.relu6(normalised_convolution(convolution, norm, x, form, normalise), inplace=True)
    return convolution_relu6(x, *_folded(convolution, norm, x, form, normalise), convolution.stride)


def _folded(
    convolution: ElasticConv2d | ElasticDepthwise,
    norm: ElasticBatchNorm,
    x: Tensor,
    form: int,
    normalise: Folded,
) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution in this form with batch norm folded into it, for `x`."""
    weight = convolution.form(x.shape[1], form)
    return normalise.folded(norm, weight, *norm.form(len(weight)), x.dtype)


class ElasticLayerNorm(nn.Module):
    """Layer norm over the leading channels of each token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """``(..., c)`` -> the same shape."""
        width = x.shape[-1]
        weight, bias = leading(self.weight, width), leading(self.bias, width)
        return F.layer_norm(x, (width,), weight.to(x.dtype), bias.to(x.dtype))


class ElasticTokenBatchNorm(ElasticBatchNorm):
    """Batch norm over the leading channels of tokens: statistics of each channel over images and tokens."""

    def forward(self, x: Tensor, normalise: Normalisation) -> Tensor:
        """``(n, tokens, c)`` -> the same shape."""
        # (n, tokens, c) -> (n, c, tokens, 1), channels_last, without a copy
        out: Tensor = super().forward(x.transpose(1, 2).unsqueeze(-1), normalise)
        return out.squeeze(-1).transpose(1, 2)


class ElasticLinear(nn.Module):
    """Linear layer with bias over the leading inputs and outputs."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, in_width))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """``(..., c)`` -> ``(..., width)``."""
        return linear(x, *self.form(x.shape[-1], width))

    def form(self, in_width: int, width: int) -> tuple[Tensor, Tensor]:
        """Weight ``(width, in_width)`` and bias ``(width,)``, views."""
        return leading(self.weight, width, in_width), leading(self.bias, width)


class ElasticQKV(nn.Module):
    """Queries, keys and values of the leading heads from the leading channels."""

    def __init__(self, in_width: int, *, heads: int, head_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, heads, head_dim, in_width))
        self.bias = nn.Parameter(torch.zeros(3, heads, head_dim))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, x: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """``(n, tokens, c)`` -> three of ``(n, heads, tokens, head_dim)``."""
        return split_heads(linear(x, *self.of_heads(heads, x.shape[-1])), heads)

    def of_heads(self, heads: int, width: int) -> tuple[Tensor, Tensor]:
        """Weight ``(3 * heads * head_dim, width)`` and bias; rows of q first, then k, then v."""
        weight = leading(self.weight, 3, heads, self.weight.shape[2], width)
        return weight.reshape(-1, width), leading(self.bias, 3, heads).reshape(-1)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """``(n, tokens, 3 * heads * head_dim)`` -> three of ``(n, heads, tokens, head_dim)``."""
    images, tokens, _ = qkv.shape
    q, k, v = qkv.view(images, tokens, 3, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v


class ElasticPositions(nn.Module):
    """Learned position embedding of a square map, resized for smaller maps; starts at zero."""

    def __init__(self, width: int, *, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, width, side, side))

    def forward(self, x: Tensor) -> Tensor:
        """``(n, c, h, w)`` -> the same shape."""
        weight = self.resized(*x.shape[1:])
        return x + weight.to(x.dtype).contiguous(memory_format=torch.channels_last)

    def resized(self, channels: int, height: int, width: int) -> Tensor:
        """``(1, channels, height, width)``: the leading channels for a map of that size."""
        weight = leading(self.weight, 1, channels)
        if weight.shape[-2:] == (height, width):
            return weight
        return F.interpolate(weight, (height, width), mode="bilinear", align_corners=False)
