"""Subnets: decoded networks as immutable values, without weights.

A stage is a down-sampling step, then 0..n MBConv blocks, then 0..m ViT blocks: the repeated
"convolution + transformer" unit of the H4H paper (ASP-DAC 2025). All code downstream of the search space
takes a `Subnet`, never a raw gene vector.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from search_space.errors import DocumentError

LAYER_NORM, BATCH_NORM = "layer", "batch"
NORMS = (BATCH_NORM, LAYER_NORM)
"""Normalisations of a transformer block, the cheaper one first."""


@dataclass(frozen=True)
class Stem:
    """First convolution, kernel 3: an image of 3 channels to `width` channels."""

    width: int
    stride: int
    kernel: int = 3


class Block(ABC):
    """One block or down-sampling step of a stage; a frozen dataclass derives from it for each kind.

    Attributes:
        takes_tokens: Whether the input is tokens, as that of transformer blocks, and not a map.
        width: Channels of the output.
        stride: Input positions per output position, along each side.
        residual_branches: Number of residual connections.
    """

    takes_tokens: ClassVar[bool] = False
    width: int
    stride: int
    residual_branches: int

    @classmethod
    def in_stage(cls, width: int, **values: Any) -> Self:
        """The block in a stage of `width` channels, behind its down-sampling step, from its other fields."""
        return cls(width=width, **values)  # type: ignore[call-arg]

    @abstractmethod
    def macs(self, side: int) -> int:
        """Multiply-accumulates of one image, for an input of `side` x `side` positions."""

    @property
    @abstractmethod
    def params(self) -> int:
        """Number of parameters, without the position embedding of the stage."""

    @abstractmethod
    def __str__(self) -> str:
        """A short word for the description of a subnet, such as ``mb3x4``."""


@dataclass(frozen=True)
class MBConv(Block):
    """Inverted bottleneck of MobileNetV2: 1x1 expand, depthwise, 1x1 project.

    With `expansion` 1 there is no expanding convolution, as in MobileNetV2's first block. The input is
    added to the output where `stride` is 1 and both widths agree.
    """

    in_width: int
    width: int
    kernel: int
    stride: int
    expansion: int

    @property
    def hidden_width(self) -> int:
        """Channels after the expansion."""
        return self.in_width * self.expansion

    @property
    def has_residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_width == self.width

    @property
    def residual_branches(self) -> int:  # type: ignore[override]
        return int(self.has_residual)

    @classmethod
    def in_stage(cls, width: int, **values: Any) -> Self:
        return cls(in_width=width, width=width, stride=1, **values)

    def macs(self, side: int) -> int:
        positions = downsampled(side, self.stride) ** 2
        expand = side**2 * self.in_width * self.hidden_width if self.expansion > 1 else 0
        return expand + positions * self.hidden_width * (self.kernel**2 + self.width)

    @property
    def params(self) -> int:
        hidden = self.hidden_width
        expand = (self.in_width + 2) * hidden if self.expansion > 1 else 0
        return expand + (self.kernel**2 + 2) * hidden + hidden * self.width + 2 * self.width

    def __str__(self) -> str:
        return f"mb{self.kernel}x{self.expansion}"


@dataclass(frozen=True)
class PatchMerging(Block):
    """Down-sampling by a `stride` x `stride` convolution without overlap; 1x1 where `stride` is 1."""

    in_width: int
    width: int
    stride: int

    @property
    def kernel(self) -> int:
        """Side of the window, equal to the stride."""
        return self.stride

    @property
    def residual_branches(self) -> int:  # type: ignore[override]
        return 0

    def macs(self, side: int) -> int:
        return downsampled(side, self.stride) ** 2 * self.kernel**2 * self.in_width * self.width

    @property
    def params(self) -> int:
        return self.kernel**2 * self.in_width * self.width + 2 * self.width

    def __str__(self) -> str:
        return "merge"


@dataclass(frozen=True)
class ViTBlock(Block):
    """Pre-norm transformer block. Width of q, k and v is `heads * head_dim`, whatever `width` is.

    `norm` normalises the inputs of attention and of the MLP. A deployed network has no operator for batch
    norm: the linear layer behind it holds its scale and shift.
    """

    takes_tokens: ClassVar[bool] = True

    width: int
    heads: int
    head_dim: int
    mlp_ratio: int
    norm: str = LAYER_NORM

    @property
    def stride(self) -> int:  # type: ignore[override]
        return 1

    @property
    def residual_branches(self) -> int:  # type: ignore[override]
        return 2

    @property
    def attention_width(self) -> int:
        """Channels of q, k and v each."""
        return self.heads * self.head_dim

    @property
    def mlp_width(self) -> int:
        """Hidden channels of the MLP."""
        return self.width * self.mlp_ratio

    def macs(self, side: int) -> int:
        tokens = side**2
        linear = 4 * self.width * self.attention_width + 2 * self.width * self.mlp_width
        return tokens * linear + 2 * tokens**2 * self.attention_width

    @property
    def params(self) -> int:
        width = self.width
        attention = 3 * self.attention_width * (width + 1) + width * (self.attention_width + 1)
        mlp = self.mlp_width * (width + 1) + width * (self.mlp_width + 1)
        norms = 2 * 2 * width if self.norm == LAYER_NORM else 0
        return attention + mlp + norms + 2 * width

    def __str__(self) -> str:
        suffix = "-bn" if self.norm == BATCH_NORM else ""
        return f"vit{self.heads}h{self.mlp_ratio}r{suffix}"


CONV, VIT = "conv", "vit"

BLOCKS: dict[str, type[Block]] = {CONV: MBConv, VIT: ViTBlock}
"""Kinds of block behind the down-sampling step of a stage, by the name with which their genes begin."""


def block_kinds() -> tuple[str, ...]:
    """Names of `BLOCKS` in the order of the data: blocks on maps, then blocks on tokens."""
    return tuple(sorted(BLOCKS, key=lambda kind: BLOCKS[kind].takes_tokens))


@dataclass(frozen=True)
class Stage:
    """Down-sampling step, then blocks on maps, then blocks on tokens.

    Attributes:
        downsampling: First step.
        conv_blocks: Convolution blocks.
        vit_blocks: Transformer blocks.
        other_blocks: Blocks of all kinds that have no field of their own.
    """

    downsampling: MBConv | PatchMerging
    conv_blocks: tuple[MBConv, ...]
    vit_blocks: tuple[ViTBlock, ...]
    other_blocks: tuple[Block, ...] = ()

    def blocks_of(self, kind: str) -> tuple[Block, ...]:
        """Blocks of one kind of `BLOCKS`."""
        if kind == CONV:
            return self.conv_blocks
        if kind == VIT:
            return self.vit_blocks
        return tuple(block for block in self.other_blocks if type(block) is BLOCKS[kind])

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks behind the down-sampling step, in the order of the data."""
        if not self.other_blocks:
            return self.conv_blocks + self.vit_blocks
        return tuple(block for kind in block_kinds() for block in self.blocks_of(kind))

    @property
    def width(self) -> int:
        """Channels of the stage."""
        return self.downsampling.width

    @property
    def stride(self) -> int:
        """Stride of the down-sampling step."""
        return self.downsampling.stride


@dataclass(frozen=True)
class Head:
    """1x1 convolution to `width` channels, global average pooling, linear classifier."""

    in_width: int
    width: int
    classes: int


@dataclass(frozen=True)
class Subnet:
    """One network of a search space.

    Example:
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> subnet = space.decode(space.smallest())
        >>> print(subnet)
        24px stem16 | 16:mb3x1 | 24:merge | 40:merge | 80:merge
        >>> subnet.conv_blocks, space.encode(subnet) == space.smallest()
        (1, True)

    Attributes:
        resolution: Side of the square input image, in pixels.
        stem: First convolution.
        stages: Stages from the input to the output.
        head: Last convolution and classifier.
    """

    resolution: int
    stem: Stem
    stages: tuple[Stage, ...]
    head: Head

    @property
    def conv_blocks(self) -> int:
        """Number of blocks on maps: MBConv, those that down-sample included, and further kinds."""
        return sum(
            sum(not block.takes_tokens for block in stage.blocks) + isinstance(stage.downsampling, MBConv)
            for stage in self.stages
        )

    @property
    def vit_blocks(self) -> int:
        """Number of transformer blocks, and of further kinds of block on tokens."""
        return sum(block.takes_tokens for stage in self.stages for block in stage.blocks)

    @property
    def vit_per_10_conv(self) -> float:
        """Transformer blocks per 10 convolution blocks (the paper's ratio); infinite without the latter."""
        if self.conv_blocks == 0:
            return float("inf") if self.vit_blocks else 0.0
        return 10 * self.vit_blocks / self.conv_blocks

    @property
    def sides(self) -> tuple[int, ...]:
        """Side of the square feature map after the stem and after each stage, in positions."""
        sides = [downsampled(self.resolution, self.stem.stride)]
        for stage in self.stages:
            sides.append(downsampled(sides[-1], stage.stride))
        return tuple(sides)

    def sequence(self) -> Iterator[Block]:
        """Down-sampling steps and blocks in the order in which the data meets them."""
        for stage in self.stages:
            yield stage.downsampling
            yield from stage.blocks

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; equal subnets give equal results.

        A transformer block's `norm` is listed unless it is layer norm, so that networks of spaces without
        that choice keep their digests.
        """
        data = asdict(self)
        for stage, record in zip(self.stages, data["stages"], strict=True):
            kind = "mbconv" if isinstance(stage.downsampling, MBConv) else "patch_merging"
            record["downsampling"] = {"kind": kind, **record["downsampling"]}
            for block in record["vit_blocks"]:
                if block["norm"] == LAYER_NORM:
                    del block["norm"]
            # Networks without further kinds keep the digest that they had before there were any.
            if not record.pop("other_blocks"):
                continue
            names = {block: name for name, block in BLOCKS.items()}
            record["other_blocks"] = [
                {"kind": names[type(block)], **asdict(block)}  # type: ignore[call-overload]
                for block in stage.other_blocks
            ]
        return data

    @classmethod
    def from_json(cls, data: Any) -> Subnet:
        """The subnet that `to_json` turned into `data`.

        Raises:
            DocumentError: `data` does not describe a subnet.
        """
        try:
            subnet = cls(
                resolution=data["resolution"],
                stem=Stem(**data["stem"]),
                stages=tuple(map(_stage, data["stages"])),
                head=Head(**data["head"]),
            )
        except (KeyError, TypeError) as error:
            raise DocumentError(f"not a description of a subnet: {error!r}") from error
        return subnet

    @cached_property
    def digest(self) -> str:
        """Identifier of 12 hexadecimal digits; equal networks have equal digests."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __str__(self) -> str:
        return f"{self.resolution}px stem{self.stem.width} | " + " | ".join(map(_stage_text, self.stages))


def _stage(record: Any) -> Stage:
    down = dict(record["downsampling"])
    kinds: dict[str, type[MBConv | PatchMerging]] = {"mbconv": MBConv, "patch_merging": PatchMerging}
    return Stage(
        downsampling=kinds[down.pop("kind")](**down),
        conv_blocks=tuple(MBConv(**block) for block in record["conv_blocks"]),
        vit_blocks=tuple(map(_vit_block, record["vit_blocks"])),
        other_blocks=tuple(
            BLOCKS[block["kind"]](**{name: value for name, value in block.items() if name != "kind"})
            for block in record.get("other_blocks", ())
        ),
    )


def _vit_block(record: Any) -> ViTBlock:
    block = ViTBlock(**record)
    if block.norm not in NORMS:
        raise KeyError(block.norm)
    return block


def downsampled(side: int, stride: int) -> int:
    """Side of a map after a strided step with "same" padding: ceil(side / stride)."""
    return -(-side // stride)


def _stage_text(stage: Stage) -> str:
    return " ".join([f"{stage.width}:{stage.downsampling}", *map(str, stage.blocks)])
