"""Options of each part of a search space: stem, down-sampling, conv blocks, ViT blocks, head."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mashumaro.types import SerializableType

from search_space.errors import DocumentError, UnknownNameError
from search_space.files.yaml_document import Document
from search_space.subnet import CONV, NORMS, VIT, block_kinds

WIDTH_GRANULARITY = 8
"""Output channels of one Ethos-U55 micro-block; widths that are not a multiple waste part of it."""

MBCONV = "mbconv"
PATCH_MERGING = "patch_merging"


@dataclass(frozen=True)
class BlockOptions(Document):
    """Choices of one block. A field with a tuple is a choice and makes a gene; any other is a constant."""

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Options of each choice, by the field of the block that it decides."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, tuple)}

    @property
    def constants(self) -> dict[str, Any]:
        """Values of the other fields of the block; None stands for the block's own default."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if not isinstance(value, tuple) and value is not None
        }


@dataclass(frozen=True)
class ConvOptions(BlockOptions):
    """Choices of one MBConv block; also those of an MBConv that down-samples."""

    kernel: tuple[int, ...]
    expansion: tuple[int, ...]

    def __post_init__(self) -> None:
        check_options("kernel", self.kernel, odd=True)
        check_options("expansion", self.expansion)


@dataclass(frozen=True)
class ViTOptions(BlockOptions):
    """Choices of one ViT block. Width of q, k and v is heads x head_dim.

    Attributes:
        norm: Normalisations, of `subnet.NORMS`, in any order; stored as (batch, layer), so that the smallest
            network has batch norm and the largest layer norm. None: layer norm only, and no gene.
    """

    heads: tuple[int, ...]
    head_dim: int
    mlp_ratio: tuple[int, ...]
    norm: tuple[str, ...] | None = None

    class Config(Document.Config):
        """mashumaro's settings."""

        # A space without the choice keeps its digest.
        omit_none = True

    def __post_init__(self) -> None:
        check_options("heads", self.heads)
        check_options("head_dim", (self.head_dim,), multiple_of=WIDTH_GRANULARITY)
        check_options("mlp_ratio", self.mlp_ratio)
        if self.norm is not None:
            _check_names("norm", "norm of ViT blocks", self.norm, NORMS)
            object.__setattr__(self, "norm", tuple(sorted(self.norm, key=NORMS.index)))


OPTIONS: dict[str, type[BlockOptions]] = {CONV: ConvOptions, VIT: ViTOptions}
"""Choices of each kind of block in `search_space.subnet.BLOCKS`."""


@dataclass(frozen=True)
class OtherBlocks(SerializableType):
    """Blocks of a kind other than conv and vit: ``{kind: NAME, depth: [0, 1], ...}`` in a space file.

    Attributes:
        kind: One of `OPTIONS`.
        depth: Options of the number of blocks.
        options: Choices of each block: all other keys.
    """

    kind: str
    depth: tuple[int, ...]
    options: BlockOptions

    @classmethod
    def _deserialize(cls, value: Any) -> OtherBlocks:
        if not isinstance(value, dict) or not {"kind", "depth"} <= value.keys():
            raise DocumentError(f"must be a mapping with the keys kind and depth, but got {value!r:.60}")
        others = tuple(kind for kind in OPTIONS if kind not in (CONV, VIT))
        if value["kind"] not in others:
            raise UnknownNameError("kind of block", str(value["kind"]), others)
        options = {name: option for name, option in value.items() if name not in ("kind", "depth")}
        depth = value["depth"]
        if not isinstance(depth, (list, tuple)) or not all(type(number) is int for number in depth):
            raise DocumentError(f"depth must be a list of whole numbers, but got {depth!r:.60}")
        check_options("depth", tuple(depth), least=0)
        return cls(value["kind"], tuple(depth), OPTIONS[value["kind"]].from_dict(options))

    def _serialize(self) -> dict[str, Any]:
        return {"kind": self.kind, "depth": list(self.depth), **self.options.to_dict()}


@dataclass(frozen=True)
class DownsamplingOptions(Document):
    """Options of the first step of a stage: a strided MBConv or a patch-merging convolution."""

    kind: tuple[str, ...]
    kernel: tuple[int, ...]
    expansion: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_names("kind", "down-sampling kind", self.kind, (MBCONV, PATCH_MERGING))
        check_options("kernel", self.kernel, odd=True)
        check_options("expansion", self.expansion)


@dataclass(frozen=True)
class StageOptions(Document):
    """Options of one stage. A depth is the number of blocks after the down-sampling step.

    `conv` and `vit` are the choices of each block; absent where the depth can only be 0. `blocks` lists
    further kinds of block.
    """

    stride: int
    width: tuple[int, ...]
    downsampling: DownsamplingOptions
    conv_depth: tuple[int, ...]
    vit_depth: tuple[int, ...]
    conv: ConvOptions | None = None
    vit: ViTOptions | None = None
    blocks: tuple[OtherBlocks, ...] = ()

    def __post_init__(self) -> None:
        _check_stride(self.stride)
        check_options("width", self.width, multiple_of=WIDTH_GRANULARITY)
        check_options("conv_depth", self.conv_depth, least=0)
        check_options("vit_depth", self.vit_depth, least=0)
        for name, depth, block in (("conv", self.conv_depth, self.conv), ("vit", self.vit_depth, self.vit)):
            if (max(depth) > 0) != (block is not None):
                raise DocumentError(f"{name} must be given if and only if {name}_depth exceeds 0")
        kinds = [blocks.kind for blocks in self.blocks]
        if len(set(kinds)) != len(kinds):
            raise DocumentError(f"blocks must list different kinds, but got {', '.join(kinds)}")

    def __post_serialize__(self, data: dict[str, Any]) -> dict[str, Any]:
        # Spaces without further kinds keep the digest that they had before there were any.
        if not data["blocks"]:
            del data["blocks"]
        return data

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of block that the stage may hold, in the order of the data; conv and vit always."""
        listed = {CONV, VIT, *(blocks.kind for blocks in self.blocks)}
        return tuple(kind for kind in block_kinds() if kind in listed)

    def depths(self, kind: str) -> tuple[int, ...]:
        """Options of the number of blocks of one of `kinds`."""
        known = {CONV: self.conv_depth, VIT: self.vit_depth}
        return (known | {blocks.kind: blocks.depth for blocks in self.blocks})[kind]

    def options(self, kind: str) -> BlockOptions | None:
        """Choices of each block of one of `kinds`; None where there can be no block."""
        known: dict[str, BlockOptions | None] = {CONV: self.conv, VIT: self.vit}
        return (known | {blocks.kind: blocks.options for blocks in self.blocks})[kind]


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


def _check_names(name: str, noun: str, options: tuple[str, ...], known: tuple[str, ...]) -> None:
    for option in options:
        if option not in known:
            raise UnknownNameError(noun, option, known)
    if not options or len(set(options)) != len(options):
        raise DocumentError(f"{name} must list different {name}s, but got {list(options)}")


MOST = 10**6
"""Upper bound of all sizes, beyond what any network can have."""


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
    if options[-1] > MOST:
        raise DocumentError(f"{name} must be at most {MOST}, but got {options[-1]}")
    for option in options:
        if option % multiple_of:
            raise DocumentError(f"{name} must be a multiple of {multiple_of}, but got {option}")
        if odd and option % 2 == 0:
            raise DocumentError(f"{name} must be odd, but got {option}")
