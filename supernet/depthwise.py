"""Depthwise convolution whose backward is fast on CPUs, too.

oneDNN, which runs torch's convolutions on CPUs, has fast kernels for a depthwise forward at any kernel and
stride, but falls back to reference code in two places of the backward, which then takes up to 95 % of a
training step (bf16, channels_last, batch 128, 96 channels at 16x16, two cores; `benchmarks/cpu_kernels.py`):

* the gradient of the input where the stride is above 1. Here: zeros are put between the elements of the
  output's gradient, and the gradient of the stride-1 convolution is taken, which is fast;
* the gradient of the weight where the kernel is above 3. Here: the gradient of a *grouped* convolution over
  8 channels is taken and all but its diagonal dropped: 8 times the operations, on kernels that are 30 times
  as fast.

On a GPU torch's own backward is used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from supernet.precision import is_widened

GROUP = 8
"""Channels per group of the substitute convolution; divides all widths, which are multiples of 8."""


def depthwise(x: Tensor, weight: Tensor, stride: int, bias: Tensor | None = None) -> Tensor:
    """Convolves every channel with its own kernel, with "same" zero padding.

    Args:
        x: ``(n, c, h, w)``; channels_last is fastest.
        weight: ``(c, 1, k, k)`` with odd `k`, of `x`'s dtype.
        stride: 1 or 2.
        bias: ``(c,)``, where no gradient is wanted.

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
