"""MobileNetV2 1.0 with images of 224 x 224 pixels, as ops (arXiv 1801.04381, table 2)."""

from __future__ import annotations

from objectives.hardware import Op

SIDE, CLASSES, STEM, HEAD = 224, 1001, 32, 1280
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, width, blocks and stride of each stage."""


def mobilenet_v2() -> list[Op]:
    """All ops in order; 300 million multiply-accumulates."""
    ops = [Op("conv2d", SIDE, SIDE, 3, STEM, 3, 2)]
    side, width = SIDE // 2, STEM
    for expansion, out, count, first_stride in STAGES:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            hidden = width * expansion
            if expansion > 1:
                ops.append(Op("conv2d", side, side, width, hidden))
            ops.append(Op("depthwise", side, side, hidden, hidden, 3, stride))
            side //= stride
            ops.append(Op("conv2d", side, side, hidden, out))
            if stride == 1 and width == out:
                ops.append(Op("add", side, side, out, out))
            width = out
    ops += [
        Op("conv2d", side, side, width, HEAD),
        Op("pool", side, side, HEAD, HEAD, side, side),
        Op("linear", 1, 1, HEAD, CLASSES),
    ]
    return ops
