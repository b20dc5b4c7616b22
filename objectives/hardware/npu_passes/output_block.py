"""Search for the output block of a pass, as the compiler does it.

The NPU computes a map block by block. A block fits if its accumulators and two copies of the input that it
needs fit the internal buffer. Of all blocks that fit, the compiler takes the one that reads fewest inputs and
weights per output. Source: Ethos-U Vela 5.2.0, Apache-2.0, file `ethos_u55.cpp`; the sums are in single
precision, because equal costs are told apart by the order of the search.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from objectives.hardware.npu_passes.layer_pass import Engine, Shape
from objectives.hardware.npu_passes.machine import (
    BANK_BYTES,
    LARGEST_BLOCK,
    OUTPUT_BANKS,
    SPLIT_DEPTH,
    SUBKERNEL,
    TABLE_BANKS,
    Machine,
)
from search_space.arrays import Booleans, Integers
from search_space.errors import H4HError

_FEW_BANKS = 16
"""Configurations with this few banks keep none free for a lookup table."""
_SMALL_BLOCK = 4
"""Side of the blocks among which equal costs are told apart by the share of the input that they read."""


class BlockError(H4HError):
    """No output block of a pass fits the internal buffer."""


class Block(NamedTuple):
    """Output block of a pass and the input block that it needs.

    Attributes:
        target: Height, width and channels of the output block.
        source: Height, width and channels of the input block.
        is_part_kernel: Whether a convolution runs part-kernel.
    """

    target: Shape
    source: Shape
    is_part_kernel: bool


class _Query(NamedTuple):
    engine: Engine
    source: Shape
    target: Shape
    bits: int
    window: tuple[int, int]
    stride: int
    upscaling: int
    scalar: bool
    table: bool


def runs_part_kernel(channels: int, window: int, machine: Machine) -> bool:
    """Whether a convolution takes `window_elements` of the window at once instead of `lanes` channels."""
    if channels <= machine.shallow:
        return True
    lanes = machine.lanes
    depth_use = channels / float(_up(channels, lanes))
    part_use = (channels / float(_up(channels, machine.shallow))) * (
        window / float(_up(window, machine.window_elements))
    )
    return part_use >= depth_use


def find_block(
    engine: Engine,
    source: Shape,
    target: Shape,
    machine: Machine,
    *,
    bits: int = 8,
    window: tuple[int, int] = (1, 1),
    stride: int = 1,
    upscaling: int = 1,
    scalar: bool = False,
    table: bool = False,
) -> Block:
    """The output block that the compiler takes.

    Args:
        engine: Part of the NPU.
        source: Shape of the input; of two operands the larger.
        target: Shape of the output.
        machine: The NPU.
        bits: Bits of an input element.
        window: Height and width of the window.
        stride: Step of the window.
        upscaling: Factor by which rows and columns of the input are repeated.
        scalar: Whether an operand of an elementwise pass is a single number.
        table: Whether a lookup table follows.

    Raises:
        BlockError: No block fits.
    """
    key = _Query(engine, source, target, bits, window, stride, upscaling, scalar, table)
    return _search(key, machine._replace(sram=0, sram_latency=0, weights=0, weight_latency=0))


@lru_cache(maxsize=1 << 16)
def _search(query: _Query, machine: Machine) -> Block:
    unit_height, unit_width, unit_depth = machine.block
    rows, columns, channels = query.target
    elementwise = query.engine is Engine.ELEMENTWISE
    keeps_depth = elementwise or query.engine in (Engine.DEPTHWISE, Engine.POOLING)
    part = query.engine is Engine.CONVOLUTION and runs_part_kernel(
        query.source[2], query.window[0] * query.window[1], machine
    )
    in_depth = _up(min(query.source[2], 2 * machine.shallow if part else machine.lanes), 8)

    heights = np.arange(unit_height, _up(min(rows, LARGEST_BLOCK[0]), unit_height) + 1, unit_height)
    widths = np.arange(unit_width, _up(min(columns, LARGEST_BLOCK[1]), unit_width) + 1, unit_width)
    depths = np.array(_depths(channels, unit_depth))
    # Arrays (depths, heights, widths), with sides of 1 where nothing depends on them.
    height, width, depth = heights[None, :, None], widths[None, None, :], depths[:, None, None]
    in_height = _up(_needed(height, query.stride, query.window[0], query.upscaling), unit_height)
    in_width = _up(_needed(width, query.stride, query.window[1], query.upscaling), unit_width)
    block_depth = depth if keeps_depth else np.array([[[in_depth]]])
    # A block two rows high over a map of one row holds one row of accumulators.
    is_flat = rows == 1 and query.window[0] == 1 and unit_height == 2
    block_height = np.minimum(height, 1) if is_flat else height
    area = in_height * in_width
    fits = _fits(query, area, block_depth, block_height * width * _up(depth, 8), machine)

    single = np.float32
    elements = single(rows * columns * channels)
    if elementwise:
        cost = elements / (height * width * depth).astype(single)
    else:
        by_rows, by_columns = (
            single(rows) / block_height.astype(single),
            single(columns) / width.astype(single),
        )
        has_weights = query.engine in (Engine.CONVOLUTION, Engine.DEPTHWISE)
        taps = query.window[0] * query.window[1] * query.source[2] if has_weights else 0
        weights = (taps * -(-rows // block_height) * -(-columns // width)).astype(single)
        if query.engine is not Engine.DEPTHWISE:
            weights = weights * (single(channels) / depth.astype(single)) * depth.astype(single)
        repeats = -(-query.window[0] // SUBKERNEL) * -(-query.window[1] // SUBKERNEL)
        inputs = (area * query.source[2] * repeats).astype(single) * by_columns * by_rows
        if not keeps_depth:
            inputs = inputs * (-(-channels // depth)).astype(single)
        cost = (inputs + weights) / elements
    whole = query.source[0] * query.source[1] * query.source[2]
    cost = np.where(whole < area * block_depth * 2, cost / single(2), cost)
    cost = np.where(fits, cost, single(np.inf))
    best = _best(cost, heights, widths, in_height.ravel(), in_width.ravel(), query.source)
    if best is None:
        raise BlockError(
            f"no output block of a {query.engine.value} of {query.source} -> {query.target} with "
            f"window {query.window} fits npu.buffer_banks = {machine.banks}; raise it to that of a larger "
            f"Ethos-U55 (16, 16, 24, 48)"
        )
    place, row, column = best
    target = (int(heights[row]), int(widths[column]), int(depths[place]))
    source = (int(in_height.flat[row]), int(in_width.flat[column]), target[2] if keeps_depth else in_depth)
    return Block(target, source, part)


def _depths(channels: int, unit: int) -> list[int]:
    """Channels of the blocks to try, ascending."""
    limit = _up(min(channels, LARGEST_BLOCK[2]), unit)
    depth = max(unit, min(limit, SPLIT_DEPTH))
    depths = []
    if depth < channels:
        depth = _up(depth, SPLIT_DEPTH)
    while depth <= limit:
        depths.append(depth)
        depth += unit
        if depth < channels:
            depth = _up(depth, SPLIT_DEPTH)
    return depths


def _fits(
    query: _Query, area: Integers, depth: Integers, accumulators: Integers, machine: Machine
) -> Booleans:
    """Whether input and accumulators of each block fit the internal buffer."""
    kept = TABLE_BANKS if query.table or machine.banks > _FEW_BANKS else 0
    wide = 2 * machine.bank_step
    step = machine.bank_step if query.bits == 8 else wide
    inputs = _up(-(-area * _up(depth * (query.bits // 8), 8) // BANK_BYTES) * 2, step)
    free = machine.banks - kept - OUTPUT_BANKS
    if query.engine is Engine.ELEMENTWISE:
        scalar = query.scalar and query.bits <= 16
        fits: Booleans = inputs * (1 if scalar else 2) <= free
    else:
        fits = inputs + _up(-(-accumulators * 4 // BANK_BYTES) * 2, wide) <= free
    return fits


def _best(
    cost: NDArray[np.float32],
    heights: Integers,
    widths: Integers,
    in_heights: Integers,
    in_widths: Integers,
    source: Shape,
) -> tuple[int, int, int] | None:
    """Place in `cost` of the block that a search in order of depth, height and width ends with.

    The first block of least cost wins, but a later small one of equal cost that reads more of the input
    replaces it.
    """
    least = cost.min()
    if not np.isfinite(least):
        return None
    place, row, column = np.nonzero(cost == least)
    small = (heights[row[1:]] <= _SMALL_BLOCK) & (widths[column[1:]] <= _SMALL_BLOCK)
    winner = 0
    if small.any():
        later = 1 + np.flatnonzero(small)
        read = np.minimum(in_heights[row[later]], source[0]) * np.minimum(in_widths[column[later]], source[1])
        winner = int(later[np.flatnonzero(read == read.max())[-1]])
    return int(place[winner]), int(row[winner]), int(column[winner])


def _needed(size: Integers, stride: int, window: int, upscaling: int) -> Integers:
    """Rows of the input for `size` rows of the output; a repeated row may begin in the row before."""
    needed: Integers = (size - 1) * stride + min(window, SUBKERNEL)
    return -(-(needed + upscaling - 1) // upscaling)


_N = TypeVar("_N", int, Integers)


def _up(value: _N, step: int) -> _N:
    """`value`, rounded up to a multiple of `step`."""
    return -(-value // step) * step
