"""Multi-head attention, with a backward that is fast on CPUs, too.

torch's fused kernel is the fastest forward in float32. Its backward on CPUs takes up to 10 times as long as
that of the two products written out, for maps of the sizes met here (`benchmarks/cpu_kernels.py`). In bf16
its forward on CPUs is slow, too: for up to some 200 tokens 1.3 to 1.5 times that of the products.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from supernet.precision import is_bf16_native, is_widened

MOST_WRITTEN_OUT = 196
"""Tokens. The fused kernel is twice as fast as the products at 256, as their scores leave the caches."""


def is_written_out(tokens: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether attention without gradient holds its scores."""
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
