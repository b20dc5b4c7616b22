"""Loop nests against a simulation of their loops, cases worked by hand, and monotonicity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import load_soc
from objectives.hardware.parts.cim import NearMemory
from objectives.hardware.parts.loop_nest import (
    TILE_CHANNELS,
    Nest,
    Share,
    Structure,
    best_nest,
    nest_of,
    overlap_factor,
)
from search_space.arrays import Floats

SOC = load_soc("u55-256-cim8")
assert isinstance(SOC.cim, NearMemory)
MACRO = SOC.cim.structure(500)


def share(
    positions: int,
    depth: int,
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    row: int | None = None,
    most: int | None = None,
    *,
    depthwise: bool = False,
) -> Share:
    """One layer of one macro."""

    def one(number: int) -> Floats:
        return np.array([float(number)])

    return Share(
        positions=one(positions),
        depth=one(depth),
        channels=one(channels),
        kernel=one(kernel),
        taps=one(kernel**2),
        stride=one(stride),
        row=one(row or positions),
        is_depthwise=np.array([depthwise]),
        most_positions=one(most or positions),
    )


@dataclass
class Counted:
    """What a simulation counts."""

    cycles: float = 0.0
    busy: float = 0.0
    reads: int = 0
    stored: int = 0
    fetched: float = 0.0


def chunks(whole: int, size: int) -> list[range]:
    return [range(start, min(start + size, whole)) for start in range(0, whole, size)]


def simulated(macro: Structure, layer: Share, tile: tuple[int, int], steps: int, *, keeps: bool) -> Counted:
    """Runs the loops: `tile` channels and products, blocks of `steps` steps."""
    positions, depth, channels, kernel, stride = (
        int(part[0]) for part in (layer.positions, layer.depth, layer.channels, layer.kernel, layer.stride)
    )
    units, counted = int(macro.units), Counted()
    for number, block in enumerate(chunks(positions, units * steps)):
        for outputs in chunks(channels, tile[0]):
            for products in chunks(depth, tile[1]):
                words = ceil(len(outputs) * len(products) / macro.word)
                counted.reads += words
                counted.stored += words if number == 0 else 0
                compute = fetched = 0.0
                held: set[int] = set()
                for start in range(block.start, block.stop, units):
                    side_by_side = range(start, min(start + units, block.stop))
                    columns = {one * stride + offset for one in side_by_side for offset in range(kernel)}
                    window = len(side_by_side) * kernel if stride >= kernel else len(columns - held)
                    held = columns if keeps else set()
                    maps = len(outputs) if layer.is_depthwise[0] else 1
                    fetched += window / kernel * len(products) * maps
                    rounds = (
                        len(outputs) if layer.is_depthwise[0] else ceil(len(outputs) / macro.output_lanes)
                    )
                    compute += rounds * ceil(len(products) / macro.input_lanes)
                counted.fetched += fetched
                counted.busy += compute
                stationary = len(outputs) * len(products) if macro.is_from_buffer else 0
                port = (fetched + stationary) / macro.port
                counted.cycles += max(compute, words * macro.word_cycles, port)
    counted.cycles += (
        tile[0] * tile[1] / macro.port
        if macro.is_from_buffer
        else ceil(tile[0] * tile[1] / macro.word) * macro.word_cycles
    )
    return counted


def assert_equal(nest: Nest, counted: Counted) -> None:
    assert nest.cycles[0] == pytest.approx(counted.cycles)
    assert nest.busy_cycles[0] == pytest.approx(counted.busy)
    assert (nest.reads[0], nest.stored[0]) == (counted.reads, counted.stored)
    assert nest.input_bytes[0] == pytest.approx(counted.fetched)


small_macros = st.builds(
    lambda units, lanes, outputs, register, accumulators, inputs, port, word_cycles: Structure(
        units, lanes, outputs, register, accumulators, inputs, 16.0, word_cycles, 3.0, port, 0.2
    ),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.sampled_from([2.0, 4.0]),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([16.0, 32.0]),
    st.sampled_from([4.0, 8.0, 32.0]),
    st.sampled_from([8.0, 16.0, 32.0]),
    st.sampled_from([1.0, 4.0, 64.0]),
    st.sampled_from([0.0, 1.5, 20.0]),
)


@settings(max_examples=150, deadline=None)
@given(
    macro=small_macros,
    blocks=st.integers(1, 4),
    steps=st.integers(1, 4),
    depth=st.integers(1, 40),
    channels=st.integers(1, 12),
    tile_channels=st.sampled_from([1, 2, 4]),
)
def test_dense_layers_equal_the_simulation(
    macro: Structure, blocks: int, steps: int, depth: int, channels: int, tile_channels: int
) -> None:
    macro = replace(macro, word=1.0) if macro.is_from_buffer else macro
    positions = int(macro.units) * steps * blocks
    layer = share(positions, depth, channels, most=int(macro.units) * steps)
    nest, is_legal = nest_of(macro, layer, tile_channels, keeps_window=False)
    width = min(channels, tile_channels)
    products = min(depth, int(macro.weight_register) // width)
    lanes = int(macro.input_lanes)
    products = products if products == depth or products < lanes else products // lanes * lanes
    finishes = products == depth
    assert bool(is_legal[0]) == (finishes or width <= macro.accumulators)
    longest = steps if finishes else min(steps, int(macro.accumulators) // width)
    if steps * blocks % longest == 0:  # blocks of equal length
        assert_equal(nest, simulated(macro, layer, (width, products), longest, keeps=False))


@settings(max_examples=100, deadline=None)
@given(
    macro=small_macros,
    steps=st.integers(1, 4),
    kernel=st.sampled_from([2, 3, 5]),
    stride=st.integers(1, 2),
    channels=st.integers(1, 5),
    keeps=st.booleans(),
)
def test_depthwise_layers_equal_the_simulation(
    macro: Structure, steps: int, kernel: int, stride: int, channels: int, keeps: bool
) -> None:
    macro = replace(macro, weight_register=64.0, word_cycles=1.5, input_registers=25.0)
    positions = int(macro.units) * steps
    layer = share(positions, kernel**2, channels, kernel, stride, depthwise=True)
    nest, is_legal = nest_of(macro, layer, 2, keeps_window=keeps)
    assert bool(is_legal[0]) == (not keeps or stride < kernel)
    width = min(channels, 2, 64 // kernel**2)
    if is_legal[0]:
        assert_equal(nest, simulated(macro, layer, (width, kernel**2), steps, keeps=keeps))


@settings(max_examples=60, deadline=None)
@given(macro=small_macros, steps=st.integers(1, 6), inputs=st.integers(1, 4), channels=st.integers(1, 6))
def test_kept_windows_equal_the_simulation(macro: Structure, steps: int, inputs: int, channels: int) -> None:
    macro = replace(macro, weight_register=64.0, input_registers=18.0, word_cycles=1.5)
    layer = share(int(macro.units) * steps, 9 * inputs, channels, 3)
    nest, is_legal = nest_of(macro, layer, 1, keeps_window=True)
    assert is_legal[0]
    products = min(18, 9 * inputs)
    longest = steps if products == 9 * inputs else min(steps, int(macro.accumulators))
    if steps % longest == 0:
        assert_equal(nest, simulated(macro, layer, (1, products), longest, keeps=True))


@settings(max_examples=60, deadline=None)
@given(
    macro=small_macros,
    positions=st.integers(1, 30),
    inputs=st.integers(1, 20),
    channels=st.integers(1, 20),
    kernel=st.sampled_from([1, 3]),
)
def test_the_best_nest_is_the_best_of_all(
    macro: Structure, positions: int, inputs: int, channels: int, kernel: int
) -> None:
    layer = share(positions, inputs * kernel**2, channels, kernel)
    every = []
    whole = max(1, int(macro.weight_register) // (inputs * kernel**2))
    for width in (*TILE_CHANNELS, whole):
        for keeps in (False, True):
            nest, is_legal = nest_of(macro, layer, width, keeps_window=keeps)
            if is_legal[0]:
                energy = nest.reads * macro.word_pj + nest.input_bytes * macro.input_pj
                every.append((nest.cycles[0], energy[0]))
    best = best_nest(macro, layer)
    energy = best.reads * macro.word_pj + best.input_bytes * macro.input_pj
    assert (best.cycles[0], energy[0]) == min(every)


def test_a_dense_layer_by_hand() -> None:
    # 12 of 96 outputs, 96 products, 196 positions in four pieces of 49. One channel at a time fits the
    # register whole (96 of 128 B), so a piece needs no partial sums: 4 x 12 words. 6 cycles of 16 lanes an
    # output, and 96 B an output through a port of 16 B/cycle: equal.
    nest = best_nest(MACRO, share(196, 96, 12, most=49))
    assert nest.reads[0] == 4 * 12
    assert nest.input_bytes[0] == 196 * 96 * 12
    assert nest.cycles[0] == 196 * 12 * 6 + 1.5
    assert nest.block[0] == 49


def test_partial_sums_limit_the_positions_of_a_read() -> None:
    # 512 products: a word holds 2 x 64 of them, and 32 accumulators two outputs of 16 positions.
    nest, _ = nest_of(MACRO, share(64, 512, 8), 2, keeps_window=False)
    assert nest.block[0] == 16
    assert nest.reads[0] == 4 * (8 // 2) * (512 // 64)
    assert nest.input_bytes[0] == 64 * 512 * (8 // 2)


def test_a_depthwise_layer_by_hand() -> None:
    # All 12 channels in one word. 9 of 16 lanes work: one output a cycle, 9/16 of the rate.
    nest = best_nest(MACRO, share(196, 9, 12, 3, row=14, most=49, depthwise=True))
    assert nest.cycles[0] == 196 * 12 + 1.5
    assert nest.reads[0] == 4
    # Windows stay in the registers: a row of 14 outputs touches 16 columns instead of 42.
    assert nest.input_bytes[0] == pytest.approx(196 * 9 * 12 * 16 / 42)


def test_units_behind_one_port_gain_only_what_they_share() -> None:
    four = replace(MACRO, units=4.0)
    # Twelve outputs use each input again, so that the port keeps pace: tiles of 4 channels x 32 products.
    many = share(196, 96, 12, most=196)
    assert best_nest(four, many).cycles[0] == pytest.approx(best_nest(MACRO, many).cycles[0] / 4, rel=1e-3)
    # One output uses each input once: 96 B a position through 16 B/cycle, as fast as one unit.
    one = share(196, 96, 1, most=196)
    assert best_nest(four, one).cycles[0] == best_nest(MACRO, one).cycles[0] == 196 * 6 + 1.5
    # Windows that overlap are shared: a 3x3 layer of one output gains, but less than fourfold.
    overlapping = share(196, 144, 1, 3, row=14, most=196)
    assert best_nest(four, overlapping).cycles[0] < best_nest(MACRO, overlapping).cycles[0] / 2


def test_products_read_their_stationary_operand_through_the_port() -> None:
    both = replace(MACRO, word=1.0, word_cycles=0.0, word_pj=MACRO.input_pj)
    nest, _ = nest_of(both, share(64, 16, 64), 8, keeps_window=False)
    # 8 tiles of 16 x 8 bytes: 128 B of keys, then 64 rows of 16 B, 8 cycles a row.
    assert nest.reads[0] == 16 * 64
    assert nest.input_bytes[0] == 64 * 16 * 8
    assert nest.cycles[0] == 8 * max(64 * 8, (64 * 16 + 128) / 16) + 128 / 16


@pytest.mark.parametrize(
    ("kernel", "stride", "units", "factor"),
    [(3, 1, 4, 0.5), (3, 2, 4, 0.75), (5, 1, 4, 0.4), (3, 1, 1, 1), (1, 1, 4, 1), (2, 2, 4, 1), (3, 4, 4, 1)],
)
def test_neighbouring_windows_share_inputs(kernel: int, stride: int, units: int, factor: float) -> None:
    got = overlap_factor(np.array([float(kernel)]), np.array([float(stride)]), units)
    assert got[0] == pytest.approx(factor)


layers = st.builds(
    lambda positions, inputs, channels, kernel, depthwise: share(
        positions,
        kernel**2 if depthwise else inputs * kernel**2,
        channels,
        kernel,
        row=min(positions, 14),
        depthwise=depthwise,
    ),
    st.integers(1, 400),
    st.integers(1, 200),
    st.integers(1, 100),
    st.sampled_from([1, 3, 5]),
    st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(layer=layers, name=st.sampled_from(["units", "accumulators", "port", "output_lanes"]))
def test_more_of_a_resource_is_never_slower(layer: Share, name: str) -> None:
    cycles = [
        best_nest(replace(MACRO, **{name: value}), layer).cycles[0] for value in (1.0, 2.0, 4.0, 8.0, 64.0)
    ]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(cycles))


@settings(max_examples=60, deadline=None)
@given(layer=layers)
def test_never_faster_than_the_lanes(layer: Share) -> None:
    macs = layer.positions * layer.depth * layer.channels
    assert best_nest(MACRO, layer).cycles[0] >= macs[0] / 16
