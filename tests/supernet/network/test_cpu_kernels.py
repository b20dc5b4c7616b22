"""The written-out product against torch's fused kernel."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from supernet.network.cpu_kernels import (
    _forward,
    attention,
    convolution_relu6,
    depthwise,
    input_gradient,
    weight_gradient,
)
from supernet.network.number_formats import is_widened


def test_training_and_evaluation_agree_with_each_other_and_with_the_definition() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 10, 16, dtype=torch.float64, requires_grad=True) for _ in range(3))
    trained = attention(q, k, v)
    with torch.no_grad():
        evaluated = attention(q, k, v)
    by_definition = torch.softmax(torch.einsum("nhqd,nhkd->nhqk", q, k) / 4, -1)
    torch.testing.assert_close(trained, torch.einsum("nhqk,nhkd->nhqd", by_definition, v))
    torch.testing.assert_close(trained, evaluated)


@pytest.mark.parametrize("tokens", [16, 196, 200])
def test_in_bf16_it_is_the_definition_but_for_rounding(tokens: int) -> None:
    torch.manual_seed(2)
    qkv = torch.randn(2, tokens, 3, 3, 16)
    q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
    with torch.inference_mode():
        found = attention(q.bfloat16(), k.bfloat16(), v.bfloat16())
        expected = F.scaled_dot_product_attention(q, k, v)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.03, rtol=0.03)


def test_gradients_are_those_of_the_fused_kernel() -> None:
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, 2, 6, 8, dtype=torch.float64, requires_grad=True) for _ in range(3))
    grad = torch.randn(2, 2, 6, 8, dtype=torch.float64)
    ours = torch.autograd.grad(attention(q, k, v), (q, k, v), grad)
    theirs = torch.autograd.grad(F.scaled_dot_product_attention(q, k, v), (q, k, v), grad)
    for got, want in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, want)


CASES = [
    (channels, kernel, stride, side)
    for channels in (8, 12, 24)
    for kernel in (3, 5, 7)
    for stride in (1, 2)
    for side in (5, 8)
]


def _inputs(channels: int, kernel: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(channels * 100 + kernel * 10 + side)
    x = torch.randn(3, channels, side, side, generator=generator, dtype=torch.float64)
    weight = torch.randn(channels, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), weight.requires_grad_()


@pytest.mark.parametrize(("channels", "kernel", "stride", "side"), CASES)
def test_gradients_are_those_of_torch(channels: int, kernel: int, stride: int, side: int) -> None:
    x, weight = _inputs(channels, kernel, side)
    ours, theirs = depthwise(x, weight, stride), _forward(x, weight, stride)
    torch.testing.assert_close(ours, theirs)
    grad = torch.randn_like(ours)
    expected = torch.autograd.grad(theirs, (x, weight), grad)
    for got, want in zip(torch.autograd.grad(ours, (x, weight), grad), expected, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2)])
def test_gradients_are_those_of_finite_differences(kernel: int, stride: int) -> None:
    x, weight = _inputs(8, kernel, 5)
    assert torch.autograd.gradcheck(lambda a, b: depthwise(a, b, stride), (x[:1], weight))


def test_gradient_of_one_input_alone() -> None:
    x, weight = _inputs(8, 5, 6)
    only_weight = torch.autograd.grad(depthwise(x.detach(), weight, 2).sum(), weight)[0]
    only_x = torch.autograd.grad(depthwise(x, weight.detach(), 2).sum(), x)[0]
    grad = torch.ones(3, 8, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(only_weight, weight_gradient(grad, x.detach(), weight.detach(), 2))
    torch.testing.assert_close(only_x, input_gradient(grad, x.detach(), weight.detach(), 2))


def test_bfloat16_is_close_to_float32() -> None:
    x, weight = (tensor.detach().float() for tensor in _inputs(16, 5, 8))
    grad = torch.randn(3, 16, 8, 8)
    exact = weight_gradient(grad, x, weight, 1)
    rounded = weight_gradient(grad.bfloat16(), x.bfloat16(), weight.bfloat16(), 1).float()
    # bf16 keeps 8 bits: each product is off by at most 2 * 2**-8, and errors of a sum partly cancel.
    assert (rounded - exact).abs().max() < 2**-6 * exact.abs().max()


# in, out, kernel, stride, side: as stem, expansion, depthwise and head have them.
SHAPES = [
    (3, 24, 3, 1, 28),
    (24, 144, 1, 1, 16),
    (144, 144, 3, 2, 16),
    (96, 96, 5, 1, 7),
    (96, 96, 5, 2, 8),
    (128, 256, 1, 1, 4),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("images", [1, 2, 40])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_are_equal_bit_for_bit(
    shape: tuple[int, int, int, int, int], images: int, dtype: torch.dtype
) -> None:
    before, width, kernel, stride, side = shape
    groups = before if before == width else 1
    torch.manual_seed(0)
    x = torch.randn(images, before, side, side).contiguous(memory_format=torch.channels_last).to(dtype)
    weight = (torch.randn(width, before // groups, kernel, kernel)).to(dtype)
    bias = torch.randn(width).to(dtype)
    with torch.inference_mode():
        found = convolution_relu6(x, weight, bias, stride)
        # Without bf16 instructions products are those of float32, rounded.
        wide = torch.float32 if is_widened(dtype, x.device) else dtype
        sums = F.conv2d(
            x.to(wide), weight.to(wide), bias.to(wide), stride=stride, padding=kernel // 2, groups=groups
        ).to(dtype)
    assert torch.equal(found, F.relu6(sums))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert (sums < 0).any() and (sums > 6).any()  # noqa: PT018
