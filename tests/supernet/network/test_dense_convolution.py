"""The weight gradient by matrix products is that of torch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from supernet.network import dense_convolution
from supernet.network.dense_convolution import DenseConvolution, weight_gradient


@given(
    images=st.integers(1, 4),
    in_width=st.integers(1, 9),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    side=st.integers(1, 9),
)
@settings(max_examples=50)
def test_weight_gradient(images: int, in_width: int, width: int, height: int, side: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, in_width, height, side, dtype=torch.float64, generator=generator)
    weight = torch.randn(width, in_width, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    out = F.conv2d(x, weight, padding=1)
    grad = torch.randn(out.shape, dtype=torch.float64, generator=generator)
    (expected,) = torch.autograd.grad(out, weight, grad)
    torch.testing.assert_close(weight_gradient(grad, x), expected)


@pytest.mark.parametrize(("width", "side", "is_ours"), [(128, 7, True), (64, 7, False), (128, 9, False)])
def test_both_gradients_in_bf16(
    width: int, side: int, is_ours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(grad: Tensor, x: Tensor) -> Tensor:
        calls.append(1)
        return weight_gradient(grad, x)

    monkeypatch.setattr(dense_convolution, "weight_gradient", counted)
    torch.manual_seed(0)
    layer = DenseConvolution(width, 16)
    x = torch.randn(2, width, side, side, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x.bfloat16())
    assert out.dtype is torch.bfloat16
    grad = torch.randn(out.shape).bfloat16()
    ours = torch.autograd.grad(out, (x, layer.weight), grad)
    assert bool(calls) == is_ours
    exact = F.conv2d(x, layer.weight, padding=1)
    for got, expected in zip(ours, torch.autograd.grad(exact, (x, layer.weight), grad.float()), strict=True):
        assert ((got - expected).norm() / expected.norm()).item() < 0.02


def test_in_float32_it_is_torchs_own() -> None:
    layer = DenseConvolution(128, 8)
    x = torch.randn(2, 128, 5, 5)
    assert torch.equal(layer(x), F.conv2d(x, layer.weight, padding=1))
