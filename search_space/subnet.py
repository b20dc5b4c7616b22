"""Subnets: decoded networks as immutable values, without weights.

A stage is a down-sampling step, then 0..n MBConv blocks, then 0..m ViT blocks: the repeated
"convolution + transformer" unit of the H4H paper (ASP-DAC 2025). All code downstream of the search space
takes a `Subnet`, never a raw gene vector.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from search_space.errors import DocumentError


@dataclass(frozen=True)
class Stem:
    """First convolution, kernel 3: an image of 3 channels to `width` channels."""

    width: int
    stride: int
    kernel: int = 3


@dataclass(frozen=True)
class MBConv:
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


@dataclass(frozen=True)
class PatchMerging:
    """Down-sampling by a `stride` x `stride` convolution without overlap; 1x1 where `stride` is 1."""

    in_width: int
    width: int
    stride: int

    @property
    def kernel(self) -> int:
        """Side of the window, equal to the stride."""
        return self.stride


@dataclass(frozen=True)
class ViTBlock:
    """Pre-norm transformer block. Width of q, k and v is `heads * head_dim`, whatever `width` is."""

    width: int
    heads: int
    head_dim: int
    mlp_ratio: int

    @property
    def attention_width(self) -> int:
        """Channels of q, k and v each."""
        return self.heads * self.head_dim

    @property
    def mlp_width(self) -> int:
        """Hidden channels of the MLP."""
        return self.width * self.mlp_ratio


@dataclass(frozen=True)
class Stage:
    """Down-sampling step, then convolution blocks, then transformer blocks."""

    downsampling: MBConv | PatchMerging
    conv_blocks: tuple[MBConv, ...]
    vit_blocks: tuple[ViTBlock, ...]

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
        """Number of MBConv blocks, including those that down-sample."""
        return sum(len(stage.conv_blocks) + isinstance(stage.downsampling, MBConv) for stage in self.stages)

    @property
    def vit_blocks(self) -> int:
        """Number of transformer blocks."""
        return sum(len(stage.vit_blocks) for stage in self.stages)

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

    def sequence(self) -> Iterator[MBConv | PatchMerging | ViTBlock]:
        """Down-sampling steps and blocks, from the input to the output."""
        for stage in self.stages:
            yield stage.downsampling
            yield from stage.conv_blocks
            yield from stage.vit_blocks

    def to_json(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers; equal subnets give equal results."""
        data = asdict(self)
        for stage, record in zip(self.stages, data["stages"], strict=True):
            kind = "mbconv" if isinstance(stage.downsampling, MBConv) else "patch_merging"
            record["downsampling"] = {"kind": kind, **record["downsampling"]}
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
        vit_blocks=tuple(ViTBlock(**block) for block in record["vit_blocks"]),
    )


def downsampled(side: int, stride: int) -> int:
    """Side of a map after a strided step with "same" padding: ceil(side / stride)."""
    return -(-side // stride)


def _stage_text(stage: Stage) -> str:
    down = stage.downsampling
    if isinstance(down, MBConv):
        texts = [f"{down.width}:mb{down.kernel}x{down.expansion}"]
    else:
        texts = [f"{down.width}:merge"]
    texts += [f"mb{block.kernel}x{block.expansion}" for block in stage.conv_blocks]
    texts += [f"vit{block.heads}h{block.mlp_ratio}r" for block in stage.vit_blocks]
    return " ".join(texts)
