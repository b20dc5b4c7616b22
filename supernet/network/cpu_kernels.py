"""CPU kernels: attention and depthwise convolution with fast gradients, convolution fused with ReLU6.

torch's fused kernel has the fastest forward pass in float32. On CPUs its backward pass takes up to 10 times
as long as that of the two products written out, for maps of the usual sizes
(`benchmarks/supernet/cpu_kernels.py`). In bf16 its forward pass on CPUs is slow as well: up to about 200
tokens it takes 1.3 to 1.5 times as long as the products.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from supernet.network.number_formats import is_bf16_native, is_widened

MOST_WRITTEN_OUT = 196
"""Maximum tokens. At 256, the fused kernel is twice as fast as the products, as scores leave the caches."""


def is_written_out(tokens: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether attention without gradient keeps its scores in memory."""
    is_native_bf16 = dtype is torch.bfloat16 and is_bf16_native(device)
    return device.type == "cpu" and is_native_bf16 and tokens <= MOST_WRITTEN_OUT


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(head_dim)) v, each ``(n, heads, tokens, head_dim)``, and so the result."""
    if is_widened(q.dtype, q.device):
        return attention(q.float(), k.float(), v.float()).to(q.dtype)
    on_cpu_with_gradient = q.device.type == "cpu" and torch.is_grad_enabled()
    if on_cpu_with_gradient or is_written_out(q.shape[2], q.dtype, q.device):
        return ((q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


GROUP = 8
"""Channels per group of the substitute convolution; divides all widths, which are multiples of 8."""


def depthwise(x: Tensor, weight: Tensor, stride: int, bias: Tensor | None = None) -> Tensor:
    """Convolves every channel with its own kernel, with "same" zero padding.

    Args:
        x: ``(n, c, h, w)``; channels_last is fastest.
        weight: ``(c, 1, k, k)`` with odd `k`, of `x`'s dtype.
        stride: 1 or 2.
        bias: ``(c,)``; only without gradients.

    Returns:
        ``(n, c, ceil(h / stride), ceil(w / stride))``.
    """
    if is_widened(x.dtype, x.device):
        wide_bias = None if bias is None else bias.float()
        return depthwise(x.float(), weight.float(), stride, wide_bias).to(x.dtype)
    if x.device.type == "cpu" and torch.is_grad_enabled():
        assert bias is None
        result: Tensor = _Depthwise.apply(x, weight, stride)
        return result
    return _forward(x, weight, stride, bias)


def _forward(x: Tensor, weight: Tensor, stride: int, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2, groups=weight.shape[0])


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return _forward(x, weight, stride)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad_x = input_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[0] else None
        grad_weight = weight_gradient(grad, x, weight, ctx.stride) if ctx.needs_input_grad[1] else None
        return grad_x, grad_weight, None


def input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Gradient of `x`, ``(n, c, h, w)``, from the output's gradient `grad`."""
    if stride > 1:
        spread = torch.zeros_like(x)
        spread[:, :, ::stride, ::stride] = grad
        grad = spread
    return _convolution_backward(grad, x, weight, stride=1, groups=weight.shape[0], wanted=0)


def weight_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Gradient of `weight`, ``(c, 1, k, k)``, from the output's gradient `grad`."""
    channels, _, kernel, _ = weight.shape
    if kernel <= 3 or channels % GROUP:
        return _convolution_backward(grad, x, weight, stride=stride, groups=channels, wanted=1)
    groups = channels // GROUP
    grouped = _convolution_backward(
        grad, x, weight.expand(-1, GROUP, -1, -1), stride=stride, groups=groups, wanted=1
    )
    # (c, GROUP, k, k) -> (groups, GROUP, GROUP, k, k); output channel i of a group belongs to input i
    square = grouped.view(groups, GROUP, GROUP, kernel, kernel)
    diagonal = square.diagonal(dim1=1, dim2=2)  # (groups, k, k, GROUP)
    return diagonal.permute(0, 3, 1, 2).reshape(channels, 1, kernel, kernel)


def _convolution_backward(
    grad: Tensor, x: Tensor, weight: Tensor, *, stride: int, groups: int, wanted: int
) -> Tensor:
    padding = weight.shape[-1] // 2
    gradients = torch.ops.aten.convolution_backward(
        grad,
        x,
        weight,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        groups,
        [wanted == 0, wanted == 1, False],
    )
    result: Tensor = gradients[wanted]
    return result


def convolution_relu6(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """ReLU6 of a convolution with "same" zero padding; no gradient. A sum that is NaN may become any limit.

    Args:
        x: ``(n, c, h, w)``.
        weight: ``(width, c / groups, k, k)`` with odd `k`, of `x`'s dtype.
        bias: ``(width,)``.
        stride: 1 or more.

    Returns:
        ``(n, width, ceil(h / stride), ceil(w / stride))``.
    """
    if is_widened(x.dtype, x.device):
        return convolution_relu6(x.float(), weight.float(), bias.float(), stride).to(x.dtype)
    padding, groups = weight.shape[-1] // 2, x.shape[1] // weight.shape[1]
    if _is_fused(x):
        limited: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, [padding] * 2, [stride] * 2, [1, 1], groups, "hardtanh", [0.0, 6.0], ""
        )
        return limited
    return F.relu6(F.conv2d(x, weight, bias, stride=stride, padding=padding, groups=groups), inplace=True)


def _is_fused(x: Tensor) -> bool:
    # For a single image torch may take kernels of its own, which round in other ways than oneDNN's.
    if x.device.type != "cpu" or len(x) == 1 or torch.is_grad_enabled():
        return False
    is_there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not is_there or platform.machine() not in ("x86_64", "AMD64"):
        return False
    return x.dtype in (torch.float32, torch.bfloat16)
