"""Multi-head attention, with a backward that is fast on CPUs, too.

torch's fused kernel is the fastest forward everywhere. Its backward on CPUs takes up to 10 times as long as
that of the two products written out, for maps of the sizes met here (`benchmarks/cpu_kernels.py`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(head_dim)) v, each ``(n, heads, tokens, head_dim)``, and so the result."""
    if q.device.type == "cpu" and torch.is_grad_enabled():
        return ((q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)).softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v)
