"""Loop nest of a near-memory macro: reads, input fetches and cycles of an op in closed form.

    for each block of positions: for each block of channels: for each tile of products: read the weights;
        for each step of the block: `units` positions side by side

One weight register feeds all units, which read their inputs through one port of the buffer. Legal nests
differ in the channels of a tile and in whether input registers keep a window for the next position.
`best_nest` takes the one of fewest cycles and, among equals, of least energy. Equations:
docs/explanation/chip-model.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from search_space.arrays import Booleans, Floats

TILE_CHANNELS = (1, 2, 4, 8, 16, 32)
"""Channels of a tile to try, besides as many whole channels as the weight register holds."""


@dataclass(frozen=True)
class Structure:
    """Structure of a macro and the costs of its reads.

    Attributes:
        units: Compute units.
        input_lanes: Products that a unit sums in a cycle for one output.
        output_lanes: Outputs that a unit works on in a cycle.
        weight_register: Bytes of weights held, one for all units.
        accumulators: Partial sums held in a unit.
        input_registers: Bytes of inputs held in a unit.
        word: Bytes of a read of the stationary operand.
        word_cycles: Time of such a read; 0 where it comes from the buffer, through the port.
        word_pj: Energy of such a read.
        port: Bytes per cycle of the buffer's port.
        input_pj: Energy of a byte from the buffer.
    """

    units: float
    input_lanes: float
    output_lanes: float
    weight_register: float
    accumulators: float
    input_registers: float
    word: float
    word_cycles: float
    word_pj: float
    port: float
    input_pj: float

    @property
    def is_from_buffer(self) -> bool:
        """Whether the stationary operand is read from the buffer, through the port of the inputs."""
        return self.word_cycles == 0


@dataclass(frozen=True)
class Share:
    """Share of an op that the busiest macro computes, arrays that broadcast to one shape.

    Attributes:
        positions: Output positions.
        depth: Products per output.
        channels: Output channels.
        kernel: Width of the window.
        taps: Elements of the window.
        stride: Step of the window.
        row: Output positions of a row.
        is_depthwise: Whether each output channel has inputs of its own.
        most_positions: Most positions of a block, by the room in the buffers.
    """

    positions: Floats
    depth: Floats
    channels: Floats
    kernel: Floats
    taps: Floats
    stride: Floats
    row: Floats
    is_depthwise: Booleans
    most_positions: Floats


@dataclass(frozen=True)
class Nest:
    """Cost of a nest in the busiest macro, arrays of one shape.

    Attributes:
        cycles: Time.
        busy_cycles: Time that the multipliers alone would take.
        reads: Words of the stationary operand read.
        stored: Words that the stationary operand occupies.
        input_bytes: Bytes fetched from the buffer.
        block: Positions of a block.
    """

    cycles: Floats
    busy_cycles: Floats
    reads: Floats
    stored: Floats
    input_bytes: Floats
    block: Floats


def best_nest(structure: Structure, share: Share) -> Nest:
    """The nest of fewest cycles, then of least energy, for every element of `share`."""
    best: Nest | None = None
    best_pj: Floats | None = None
    for nest, is_legal in legal_nests(structure, share):
        energy = nest.reads * structure.word_pj + nest.input_bytes * structure.input_pj
        if best is None or best_pj is None:
            best, best_pj = nest, energy  # the first, one channel at a time, is always legal
            continue
        is_better = (nest.cycles < best.cycles) | ((nest.cycles == best.cycles) & (energy < best_pj))
        is_better &= is_legal
        best_pj = np.where(is_better, energy, best_pj)
        best = Nest(
            *(
                np.where(is_better, getattr(nest, field.name), getattr(best, field.name))
                for field in fields(Nest)
            )
        )
    assert best is not None
    return best


def legal_nests(structure: Structure, share: Share) -> Iterator[tuple[Nest, Booleans]]:
    """Every nest to consider, and where it is legal."""
    whole = np.maximum(1.0, structure.weight_register // share.depth)
    for channels in (*TILE_CHANNELS, whole):
        for keeps_window in (False, True):
            yield nest_of(structure, share, channels, keeps_window=keeps_window)


def nest_of(
    structure: Structure, share: Share, tile_channels: Floats | float, *, keeps_window: bool
) -> tuple[Nest, Booleans]:
    """One nest, and where it is legal.

    Args:
        structure: The macro.
        share: Work of the busiest macro.
        tile_channels: Most channels of a tile.
        keeps_window: Whether the input registers keep a tile's window for the next position of a row.
    """
    register, units = structure.weight_register, structure.units
    depth, window = share.depth, share.taps
    channels = np.minimum(np.minimum(share.channels, tile_channels), register)
    channels = np.where(
        share.is_depthwise, np.maximum(1.0, np.minimum(channels, register // depth)), channels
    )
    products = np.minimum(depth, register // channels)
    if keeps_window:
        in_registers = np.where(
            share.is_depthwise,
            depth * (depth <= np.minimum(products, structure.input_registers)),
            np.minimum(products, structure.input_registers) // window * window,
        )
        is_legal = (share.stride < share.kernel) & (in_registers > 0)
        products = np.where(is_legal, in_registers, products)
    else:
        is_legal = np.ones(np.broadcast_shapes(channels.shape, products.shape), dtype=bool)
        lanes = structure.input_lanes
        is_ragged = (products < depth) & (products >= lanes)
        products = np.where(is_ragged, products // lanes * lanes, products)

    # Partial sums wait in the accumulators for the next tile of products.
    finishes = products >= depth
    is_legal = is_legal & (finishes | (channels <= structure.accumulators))
    waiting = np.maximum(1.0, structure.accumulators // channels)
    longest = np.minimum(np.where(finishes, np.inf, waiting), np.maximum(1.0, share.most_positions // units))
    steps = np.ceil(share.positions / units)
    blocks = np.ceil(steps / longest)
    long_steps = np.ceil(steps / blocks)
    long_blocks = steps - blocks * (long_steps - 1.0)
    busy_units = share.positions / steps  # on average: the last step may leave some idle
    neighbours = np.minimum(units * long_steps if keeps_window else units, share.row)
    overlap = overlap_factor(share.kernel, share.stride, neighbours)

    cycles = busy_cycles = reads = np.zeros(1)
    stored = np.zeros(1)
    for tile_depth, depth_count in _pieces(depth, products):
        for tile_width, width_count in _pieces(share.channels, channels):
            tiles = depth_count * width_count
            words = np.ceil(tile_depth * tile_width / structure.word)
            stored = stored + tiles * words
            reads = reads + tiles * words * blocks
            sums = np.ceil(tile_depth / structure.input_lanes)
            rounds = np.where(share.is_depthwise, tile_width, np.ceil(tile_width / structure.output_lanes))
            bytes_a_step = busy_units * tile_depth * overlap * np.where(share.is_depthwise, tile_width, 1.0)
            fill = tile_depth * tile_width if structure.is_from_buffer else 0.0
            for block_steps, block_count in (
                (long_steps, long_blocks),
                (long_steps - 1.0, blocks - long_blocks),
            ):
                count = tiles * block_count
                compute = block_steps * sums * rounds
                port = (block_steps * bytes_a_step + fill) / structure.port
                busy_cycles = busy_cycles + count * compute
                cycles = cycles + count * np.maximum(compute, np.maximum(words * structure.word_cycles, port))
    first = np.ceil(products * channels / structure.word) * structure.word_cycles
    if structure.is_from_buffer:
        first = products * channels / structure.port
    passes = np.where(share.is_depthwise, share.channels, np.ceil(share.channels / channels))
    return (
        Nest(
            cycles=cycles + first,
            busy_cycles=busy_cycles,
            reads=reads,
            stored=stored,
            input_bytes=share.positions * depth * passes * overlap,
            block=units * long_steps,
        ),
        is_legal,
    )


def _pieces(whole: Floats, piece: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Sizes and numbers of the full pieces of `whole`, and of the rest."""
    full = whole // piece
    rest = whole - full * piece
    yield piece, full
    yield rest, (rest > 0).astype(np.float64)


def overlap_factor(kernel: Floats, stride: Floats, neighbours: Floats | float) -> Floats:
    """Share (n,) of the window bytes to fetch when neighbouring outputs of a row share inputs."""
    shared = (kernel + stride * (neighbours - 1.0)) / (kernel * neighbours)
    return np.where(stride < kernel, shared, 1.0)
