"""MobileNetV2 (Sandler et al., CVPR 2018) as a subnet: the usual baseline of networks for edge chips."""

from __future__ import annotations

from search_space.subnet import Head, MBConv, Stage, Stem, Subnet

# Table 2: expansion, width, blocks, stride of the first.
_TABLE = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _mobilenet_v2() -> Subnet:
    stages = []
    in_width = 32
    for expansion, width, blocks, stride in _TABLE:
        first = MBConv(in_width=in_width, width=width, kernel=3, stride=stride, expansion=expansion)
        other = MBConv(in_width=width, width=width, kernel=3, stride=1, expansion=expansion)
        stages.append(Stage(first, (other,) * (blocks - 1), ()))
        in_width = width
    return Subnet(
        resolution=224,
        stem=Stem(width=32, stride=2),
        stages=tuple(stages),
        head=Head(in_width=320, width=1280, classes=1000),
    )


MOBILENET_V2 = _mobilenet_v2()
"""MobileNetV2 1.0 at 224 pixels, layer by layer."""
