"""One pass against two."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from supernet.convolution_relu6 import convolution_relu6
from supernet.precision import is_widened

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
