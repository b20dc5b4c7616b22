"""A pass: one operation of the NPU over whole feature maps."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from objectives.hardware.npu_passes.machine import PLAIN

Shape = tuple[int, int, int]
"""Height, width, channels."""


class Engine(Enum):
    """Part of the NPU that does the work of a pass."""

    CONVOLUTION = "convolution"
    DEPTHWISE = "depthwise"
    POOLING = "pooling"
    REDUCTION = "reduction"
    ELEMENTWISE = "elementwise"
    TRANSPOSE = "transpose"


class Map(NamedTuple):
    """A feature map as a pass reads or writes it.

    Attributes:
        shape: Height, width, channels.
        bits: Bits of an element.
        bricks: Whether channels lie in bricks of 16; otherwise one pixel after the other.
        is_constant: Whether it lies in the weight memory.
    """

    shape: Shape
    bits: int = 8
    bricks: bool = True
    is_constant: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        height, width, channels = self.shape
        return height * width * channels

    @property
    def stored_elements(self) -> int:
        """Number of elements with the padding of the format."""
        height, width, channels = self.shape
        return height * width * (-(-channels // 16) * 16 if self.bricks else channels)

    @property
    def stored_bytes(self) -> int:
        """Bytes in memory, in whole units of 16."""
        return -(-self.stored_elements * self.bits // 8 // 16) * 16


class Pass(NamedTuple):
    """One operation of the NPU.

    Attributes:
        engine: Part of the NPU.
        source: First operand.
        target: Result.
        second: Second operand of an elementwise pass or of a product.
        window: Height and width of the window.
        stride: Step of the window.
        output: Kind of output, see `machine`.
        uses_table: Whether a lookup table follows.
        upscaling: Factor by which rows and columns of the input are repeated while it is read.
        columns: Columns of a product of activations, which repeats the pass for each; 0 for any other pass.
    """

    engine: Engine
    source: Map
    target: Map
    second: Map | None = None
    window: tuple[int, int] = (1, 1)
    stride: int = 1
    output: int = PLAIN
    uses_table: bool = False
    upscaling: int = 1
    columns: int = 0

    @property
    def has_weights(self) -> bool:
        """Whether the pass reads trained weights."""
        return self.engine in (Engine.CONVOLUTION, Engine.DEPTHWISE)
