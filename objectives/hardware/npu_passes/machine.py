"""Numbers of an Ethos-U55 that decide the passes: MAC array, internal buffer, output stage, memories."""

from __future__ import annotations

from typing import NamedTuple

BANK_BYTES = 1024
"""Bytes of a bank of the internal buffer."""
OUTPUT_BANKS = 2
"""Banks that stage the output."""
TABLE_BANKS = 2
"""Banks of a lookup table; the larger configurations always keep them free."""
LARGEST_BLOCK = (32, 64, 128)
"""Largest output block: height, width, channels."""
SUBKERNEL = 8
"""Largest side of a window that is processed at once."""
SPLIT_DEPTH = 16
"""Step of the channels of a block that does not cover all of them."""
WEIGHT_BURST = 64
"""Bytes of the longest burst of the weight memory, as the compiler is told."""
BRICK = 16
"""Channels of a brick of the activation format."""


class Machine(NamedTuple):
    """Numbers of one configuration with its memories; units as in section `npu` of a SoC file.

    Attributes:
        block: Micro-block: height, width, channels.
        banks: Banks of the internal buffer.
        bank_step: Banks by which an 8-bit input buffer grows; those of 32 bits grow by twice as many.
        lanes: Input channels of a depth-first step.
        step_cycles: Cycles of a step of the MAC array.
        window_elements: Elements of the window of a part-kernel step.
        shallow: Input channels of a part-kernel step.
        decoder_cycles: Fewest cycles of a step, in which the weight decoder delivers a slice.
        output: Cycles per output element by kind of output.
        sram: B/cycle of the activation memory.
        sram_latency: Cycles of its first access.
        sram_burst: Bytes of its longest burst.
        weights: B/cycle of the weight memory.
        weight_latency: Cycles of its first access.
    """

    block: tuple[int, int, int]
    banks: int
    bank_step: int
    lanes: int
    step_cycles: int
    window_elements: int
    shallow: int
    decoder_cycles: int
    output: tuple[float, float, float, float, float, float, float]
    sram: float
    sram_latency: float
    sram_burst: int
    weights: float
    weight_latency: float


PLAIN, ADD, MULTIPLY, MULTIPLY_WIDE, WIDE_UNARY, WIDE_BINARY, TABLE = range(7)
"""Kinds of output in `Machine.output`: 8-bit, sum, 8-bit product, product kept in 32 bits, 32-bit with one
and with two operands, lookup table."""
