"""Options of each part of a search space: stem, down-sampling, conv blocks, ViT blocks, head."""

from __future__ import annotations

from dataclasses import dataclass

from search_space.errors import DocumentError, UnknownNameError
from search_space.files.yaml_document import Document

WIDTH_GRANULARITY = 8
"""Output channels of one Ethos-U55 micro-block; widths that are not a multiple waste part of it."""

MBCONV = "mbconv"
PATCH_MERGING = "patch_merging"


@dataclass(frozen=True)
class ConvOptions(Document):
    """Options of one MBConv block, also of one that down-samples."""

    kernel: tuple[int, ...]
    expansion: tuple[int, ...]

    def __post_init__(self) -> None:
        check_options("kernel", self.kernel, odd=True)
        check_options("expansion", self.expansion)


@dataclass(frozen=True)
class ViTOptions(Document):
    """Options of one ViT block. The width of q, k and v is heads x head_dim."""

    heads: tuple[int, ...]
    head_dim: int
    mlp_ratio: tuple[int, ...]

    def __post_init__(self) -> None:
        check_options("heads", self.heads)
        check_options("head_dim", (self.head_dim,), multiple_of=WIDTH_GRANULARITY)
        check_options("mlp_ratio", self.mlp_ratio)


@dataclass(frozen=True)
class DownsamplingOptions(Document):
    """Options of the first step of a stage: a strided MBConv or a patch-merging convolution."""

    kind: tuple[str, ...]
    kernel: tuple[int, ...]
    expansion: tuple[int, ...]

    def __post_init__(self) -> None:
        for kind in self.kind:
            if kind not in (MBCONV, PATCH_MERGING):
                raise UnknownNameError("down-sampling kind", kind, (MBCONV, PATCH_MERGING))
        if not self.kind or len(set(self.kind)) != len(self.kind):
            raise DocumentError(f"kind must list different kinds, but got {list(self.kind)}")
        check_options("kernel", self.kernel, odd=True)
        check_options("expansion", self.expansion)


@dataclass(frozen=True)
class StageOptions(Document):
    """Options of one stage. A depth is the number of blocks after the down-sampling step.

    `conv` and `vit` are the options of each block; they are absent if the depth can only be 0.
    """

    stride: int
    width: tuple[int, ...]
    downsampling: DownsamplingOptions
    conv_depth: tuple[int, ...]
    vit_depth: tuple[int, ...]
    conv: ConvOptions | None = None
    vit: ViTOptions | None = None

    def __post_init__(self) -> None:
        _check_stride(self.stride)
        check_options("width", self.width, multiple_of=WIDTH_GRANULARITY)
        check_options("conv_depth", self.conv_depth, least=0)
        check_options("vit_depth", self.vit_depth, least=0)
        for name, depth, block in (("conv", self.conv_depth, self.conv), ("vit", self.vit_depth, self.vit)):
            if (max(depth) > 0) != (block is not None):
                raise DocumentError(f"{name} must be given if and only if {name}_depth exceeds 0")


@dataclass(frozen=True)
class StemOptions(Document):
    """Options of the first convolution (kernel 3)."""

    stride: int
    width: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_stride(self.stride)
        check_options("width", self.width, multiple_of=WIDTH_GRANULARITY)


@dataclass(frozen=True)
class HeadOptions(Document):
    """Width of the last 1x1 convolution and number of classes; neither is searched."""

    width: int
    classes: int

    def __post_init__(self) -> None:
        check_options("width", (self.width,), multiple_of=WIDTH_GRANULARITY)
        check_options("classes", (self.classes,), least=2)


def _check_stride(stride: int) -> None:
    if stride not in (1, 2):
        raise DocumentError(f"stride must be 1 or 2, but got {stride}")


def check_options(
    name: str, options: tuple[int, ...], *, least: int = 1, multiple_of: int = 1, odd: bool = False
) -> None:
    """Checks the options of one choice.

    Raises:
        DocumentError: They are not ascending, or one is too small, no multiple of `multiple_of`, or even
            where it must be odd.
    """
    if not options or list(options) != sorted(set(options)):
        raise DocumentError(f"{name} must list different values in ascending order, but got {list(options)}")
    if options[0] < least:
        raise DocumentError(f"{name} must be at least {least}, but got {options[0]}")
    for option in options:
        if option % multiple_of:
            raise DocumentError(f"{name} must be a multiple of {multiple_of}, but got {option}")
        if odd and option % 2 == 0:
            raise DocumentError(f"{name} must be odd, but got {option}")
