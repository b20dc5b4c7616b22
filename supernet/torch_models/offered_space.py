"""Search space around one network: smaller options of depth, expansion, kernel, width and resolution.

The largest subnet is the network. The options are a start: a user edits the space file before training.
"""

from __future__ import annotations

import yaml

from search_space.block_options import (
    MBCONV,
    WIDTH_GRANULARITY,
    ConvOptions,
    DownsamplingOptions,
    HeadOptions,
    StageOptions,
    StemOptions,
)
from search_space.space import Space
from search_space.subnet import MBConv, Stage, Subnet

RESOLUTION_SHARES = (5 / 7, 11 / 14, 6 / 7, 13 / 14)
"""Smaller resolutions: 160, 176, 192 and 208 of 224 pixels, as in the space `imagenet224`."""
RESOLUTION_STEP = 4
WIDTH_SHARE = 3 / 4
"""The smaller width of the stem and of each stage, rounded to a multiple of 8."""
EXPANSION_SHARES = (1 / 2, 2 / 3)
"""Smaller expansions: 3 and 4 of 6. An expansion of 1 has no expanding convolution, so 2 is the smallest."""
LEAST_KERNEL = 3


def offered_space(subnet: Subnet, name: str) -> Space:
    """A space whose largest network is `subnet`, a chain of inverted bottlenecks.

    Raises:
        DocumentError: The resolution is no multiple of 4.
    """
    return Space(
        name=name,
        resolution=_rounded(subnet.resolution, RESOLUTION_SHARES, RESOLUTION_STEP),
        stem=StemOptions(subnet.stem.stride, _widths(subnet.stem.width)),
        stages=tuple(map(_stage, subnet.stages)),
        head=HeadOptions(subnet.head.width, subnet.head.classes),
    )


def space_text(space: Space) -> str:
    """The YAML file of a space: a key a line, lists in brackets."""
    record = space.to_dict()
    record["stages"] = [
        {key: value for key, value in stage.items() if value is not None} for stage in record["stages"]
    ]
    return str(yaml.dump(record, Dumper=_Indented, sort_keys=False, default_flow_style=None, width=100))


class _Indented(yaml.SafeDumper):
    """Writes plain lists, since `to_dict` may give one tuple in two places."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _stage(stage: Stage) -> StageOptions:
    step = stage.downsampling
    assert isinstance(step, MBConv)
    blocks = stage.conv_blocks
    return StageOptions(
        stride=step.stride,
        width=_widths(stage.width),
        downsampling=DownsamplingOptions((MBCONV,), _kernels(step.kernel), _expansions(step.expansion)),
        conv_depth=tuple(range(len(blocks) + 1)),
        vit_depth=(0,),
        conv=ConvOptions(_kernels(blocks[0].kernel), _expansions(blocks[0].expansion)) if blocks else None,
    )


def _widths(largest: int) -> tuple[int, ...]:
    return _rounded(largest, (WIDTH_SHARE,), WIDTH_GRANULARITY)


def _rounded(largest: int, shares: tuple[float, ...], step: int) -> tuple[int, ...]:
    """`largest`, and these shares of it as multiples of `step`, in ascending order."""
    return tuple(sorted({max(step, round(share * largest / step) * step) for share in shares} | {largest}))


def _kernels(largest: int) -> tuple[int, ...]:
    return tuple(range(LEAST_KERNEL, largest + 1, 2))


def _expansions(largest: int) -> tuple[int, ...]:
    if largest == 1:
        return (1,)
    return tuple(sorted({max(2, round(share * largest)) for share in EXPANSION_SHARES} | {largest}))
