"""Elastic layers: each smaller form is the leading part of the largest, and gradients stay inside it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from supernet.network.batch_norm import by_batch
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticPositions,
    ElasticQKV,
)


def test_conv_uses_the_leading_channels() -> None:
    layer = ElasticConv2d(8, 24, kernel=3, stride=2)
    x = torch.randn(2, 5, 9, 9)
    out = layer(x, 16)
    torch.testing.assert_close(out, F.conv2d(x, layer.weight[:16, :5], stride=2, padding=1))
    out.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad[:16, :5].abs().sum() > 0
    assert layer.weight.grad[16:].abs().sum() == 0
    assert layer.weight.grad[:, 5:].abs().sum() == 0


@pytest.mark.parametrize(("side", "out_side"), [(8, 4), (7, 4), (1, 1)])
def test_patch_convolution_pads_ragged_edges(side: int, out_side: int) -> None:
    layer = ElasticConv2d(8, 16, kernel=2, stride=2)
    x = torch.randn(2, 8, side, side)
    out = layer(x, 16)
    assert out.shape == (2, 16, out_side, out_side)
    # The first patch is inside the image whenever there is more than one pixel.
    if side > 1:
        torch.testing.assert_close(
            out[:, :, 0, 0], torch.einsum("nchw,ochw->no", x[:, :, :2, :2], layer.weight)
        )


def test_small_depthwise_kernel_is_the_centre_of_the_large_one() -> None:
    layer = ElasticDepthwise(24, kernel=5, stride=1)
    x = torch.randn(2, 16, 6, 6)
    want = F.conv2d(x, layer.weight[:16, :, 1:4, 1:4], padding=1, groups=16)
    torch.testing.assert_close(layer(x, 3), want)
    torch.testing.assert_close(layer(x, 5), F.conv2d(x, layer.weight[:16], padding=2, groups=16))


def test_norms_slice_their_scale_and_shift() -> None:
    batch_norm, layer_norm = ElasticBatchNorm(24), ElasticLayerNorm(24)
    for layer in (batch_norm, layer_norm):
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    x = torch.randn(4, 16, 3, 3)
    want = F.batch_norm(x, None, None, batch_norm.weight[:16], batch_norm.bias[:16], training=True)
    torch.testing.assert_close(batch_norm(x, by_batch), want)
    tokens = torch.randn(4, 7, 16)
    want = F.layer_norm(tokens, (16,), layer_norm.weight[:16], layer_norm.bias[:16])
    torch.testing.assert_close(layer_norm(tokens), want)


def test_linear_slices_both_sides() -> None:
    layer = ElasticLinear(16, 24)
    x = torch.randn(3, 8)
    torch.testing.assert_close(layer(x, 16), x @ layer.weight[:16, :8].T + layer.bias[:16])


def test_qkv_of_few_heads_are_the_leading_heads() -> None:
    layer = ElasticQKV(24, heads=4, head_dim=8)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 5, 16)
    parts = layer(x, 2)
    for number, part in enumerate(parts):
        want = torch.einsum("ntc,hdc->nhtd", x, layer.weight[number, :2, :, :16])
        torch.testing.assert_close(part, want + layer.bias[number, :2, None])


def test_positions_are_resized_and_start_at_zero() -> None:
    layer = ElasticPositions(16, side=8)
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(layer(x), x)
    torch.nn.init.constant_(layer.weight, 3.0)
    torch.testing.assert_close(layer(x), x + 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_compute_in_the_dtype_of_their_input(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 4, 4, dtype=dtype)
    assert ElasticConv2d(8, 8)(x, 8).dtype is dtype
    assert ElasticDepthwise(8, kernel=3, stride=2)(x, 3).dtype is dtype
    assert ElasticBatchNorm(8)(x, by_batch).dtype is dtype
    assert ElasticPositions(8, side=6)(x).dtype is dtype
    tokens = x.flatten(2).transpose(1, 2)
    assert ElasticLayerNorm(8)(tokens).dtype is dtype
    assert ElasticLinear(8, 8)(tokens, 8).dtype is dtype
