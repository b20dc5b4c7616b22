"""The written-out product against torch's fused kernel."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from supernet.network.cpu_kernels import attention


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
