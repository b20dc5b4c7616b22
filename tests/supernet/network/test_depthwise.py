"""The substitute backward against torch's own, and both against finite differences."""

from __future__ import annotations

import pytest
import torch

from supernet.network.depthwise import _forward, depthwise, input_gradient, weight_gradient

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
