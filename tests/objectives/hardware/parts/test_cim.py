"""Near-memory macros against closed forms, and monotonicity in each resource."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import Cim, CimCost, InArray, NearMemory

SOC = load_soc("u55-256-cim8")
assert isinstance(SOC.cim, NearMemory)
CIM: NearMemory = SOC.cim
TILES = load_soc("u55-256-tiles8")
assert isinstance(TILES.cim, InArray)
ARRAY: InArray = TILES.cim

Kind = TypeVar("Kind", bound=Cim)

sides, channels = st.integers(1, 40), st.integers(1, 200)
layers = st.one_of(
    st.builds(Op, st.just("conv2d"), sides, sides, channels, channels, st.sampled_from([1, 3, 5])),
    st.builds(
        lambda side, count, kernel, stride: Op("depthwise", side, side, count, count, kernel, stride),
        sides,
        channels,
        st.sampled_from([3, 5]),
        st.integers(1, 2),
    ),
    st.builds(lambda tokens, a, b: Op("linear", tokens, 1, a, b), st.integers(1, 300), channels, channels),
)


def with_values(cim: Kind, **values: float) -> Kind:
    """`cim` with other numbers."""
    return replace(
        cim,
        **{
            name: replace(getattr(cim, name), value=float(value), low=float(value), high=float(value))
            for name, value in values.items()
        },
    )


def cost(op: Op, cim: Cim) -> CimCost:
    return cim.cost(OpArrays.of([op]), np.array([cim.macros.value]), 500)


def cycles(op: Op, cim: Cim) -> float:
    return float(cost(op, cim).cycles[0])


def test_dense_layer_in_closed_form() -> None:
    # 12 of 96 outputs a macro; the nest is worked by hand in test_loop_nest.py.
    got = cost(Op("conv2d", 14, 14, 96, 96), CIM)
    assert got.cycles[0] == 196 * 12 * 6 + 1.5
    assert got.mac_pj[0] == pytest.approx(196 * 9216 * 0.071)
    assert got.read_bytes[0] == 8 * 48 * 128
    assert got.read_pj[0] == pytest.approx(8 * 48 * 128 * 1.84)
    assert got.buffer_pj[0] == pytest.approx((8 * 196 * 96 * 12 + 196 * 96) * 0.2)
    assert got.weight_bytes[0] == 8 * 12 * 128  # 96 B of a word of 128 B
    assert got.share_bytes[0] == 196 * 12


def test_channels_count_whole() -> None:
    # 10 outputs over 8 macros: two in each of five, none in three.
    got = cost(Op("conv2d", 14, 14, 64, 10), CIM)
    assert got.active[0] == 5
    assert got.cycles[0] == cost(Op("conv2d", 14, 14, 64, 16), CIM).cycles[0]
    assert got.share_bytes[0] == 196 * 2


def test_depthwise_layer_in_closed_form() -> None:
    op = Op("depthwise", 14, 14, 96, 96, kernel=3)
    assert cycles(op, CIM) == 196 * 12 + 1.5  # an output a cycle: 9 of 16 lanes
    assert cycles(replace(op, kernel=5), CIM) == 196 * 12 * 2 + 1.5  # 25 products in two cycles


def test_attention_in_closed_form() -> None:
    op = Op("matmul", 64, 1, 16, 64, heads=3)
    got = cost(op, CIM)
    # A head in each of three macros, all keys in 8 tiles of 8; four pieces of 16 rows read them again.
    assert got.active[0] == 3
    assert got.mac_pj[0] == pytest.approx(op.macs * 0.071)
    assert got.read_pj[0] == got.weight_bytes[0] == 0
    assert got.share_bytes[0] == 64 * 64
    assert got.map_bytes[0] == 2 * 64 * 16
    assert 64 * 64 <= got.cycles[0] <= 1.01 * 64 * 64  # 16 products in a cycle
    # Two heads in one of two macros: twice the time, and the next keys arrive while one head's are in use.
    two = CIM.cost(OpArrays.of([op]), np.array([2.0]), 500)
    assert two.cycles[0] == 2 * got.cycles[0]
    assert two.room[0] == pytest.approx(2 * 64 * 16 + 2 * 16 * 16)


def test_products_need_room_for_their_second_operand() -> None:
    fits, exceeds = (
        cost(Op("matmul", tokens, 1, 32, tokens, heads=8), CIM).room[0] <= CIM.buffer_bytes
        for tokens in (196, 1024)
    )
    assert fits
    assert not exceeds  # 32 KiB of keys


@pytest.mark.parametrize("units", [1, 4])
def test_windows_in_use_fit_the_buffer(units: int) -> None:
    """512 inputs: 32 positions of each of four units would take 64 KiB of a buffer of 16."""
    four = with_values(CIM, compute_units=units)
    got = cost(Op("linear", 196, 1, 512, 64), four)
    assert got.room[0] <= four.buffer_bytes
    assert cost(Op("linear", 196, 1, 9000, 64), four).room[0] > four.buffer_bytes


def test_rows_that_overlap_stay_in_the_buffer() -> None:
    # 64 channels, 64 wide: a row of 4 KiB; two stay, one is in use, one arrives.
    assert cost(Op("conv2d", 64, 64, 64, 8, kernel=3), CIM).room[0] == 4 * 64 * 64
    assert cost(Op("conv2d", 64, 64, 65, 8, kernel=3), CIM).room[0] > CIM.buffer_bytes


def test_outputs_of_a_block_fit_the_buffer() -> None:
    few = with_values(CIM, macros=1, buffer=1)
    got = cost(Op("linear", 64, 1, 16, 400), few)
    assert got.room[0] < np.inf  # one position at a time: twice 400 B
    assert cost(Op("linear", 64, 1, 16, 600), few).room[0] == np.inf


def test_published_figures_convert() -> None:
    assert CIM.mac_energy.value == pytest.approx(2 / 28.1, rel=0.01)  # TOPS/W, two operations a MAC
    assert CIM.read_energy.value == pytest.approx(0.23 * 8)  # pJ/bit
    assert CIM.read_width.value / CIM.read_time.value == pytest.approx(42.67, rel=0.001)  # GB/s
    assert CIM.capacity_bytes == 2**20


@settings(max_examples=60, deadline=None)
@given(
    op=layers, name=st.sampled_from(["macros", "compute_units", "accumulators", "port_bandwidth", "buffer"])
)
def test_more_of_a_resource_is_never_slower(op: Op, name: str) -> None:
    values = [1, 2, 4, 8, 16, 64]  # three units would leave one of four positions over
    costs = [cost(op, with_values(CIM, **{name: value})) for value in values]
    times = [float(got.cycles[0]) for got in costs if got.room[0] <= CIM.buffer_bytes]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(times))


@settings(max_examples=60, deadline=None)
@given(op=layers)
def test_never_faster_than_the_peak(op: Op) -> None:
    assert cycles(op, CIM) >= op.macs / CIM.peak(500) * (1 - 1e-12)


@settings(max_examples=60, deadline=None)
@given(op=layers)
def test_weights_lie_in_whole_words(op: Op) -> None:
    got = cost(op, CIM)
    assert op.weight_bytes <= got.weight_bytes[0]
    assert got.weight_bytes[0] % 128 == 0
    assert got.read_bytes[0] >= got.weight_bytes[0]
    assert got.active[0] <= min(8, op.out_channels)


def test_in_array_layer_in_closed_form() -> None:
    # 3 x 3 tiles of 128 x 32 over 8 macros: two rounds of beats, 15 cycles each, and one beat to fill.
    op = Op("conv2d", 14, 14, 300, 96)
    assert ARRAY.tiles(OpArrays.of([op]))[0] == 9
    assert cycles(op, with_values(ARRAY, port_bandwidth=1e9)) == 196 * 2 * 15 + 15
    got = cost(op, ARRAY)
    assert got.weight_bytes[0] == 9 * 128 * 32
    assert got.active[0] == 8
    assert got.mac_pj[0] == pytest.approx(196 * 9 * 4096 * 0.071)
    assert got.read_pj[0] == 0


def test_depthwise_packs_channels_on_the_diagonal() -> None:
    # 3x3: 128 // 9 = 14 channels a tile; 5x5: 5; 13x13 takes two tiles a channel.
    for kernel, tiles in ((3, 7), (5, 20), (13, 192)):
        op = Op("depthwise", 14, 14, 96, 96, kernel=kernel)
        assert ARRAY.tiles(OpArrays.of([op]))[0] == tiles


def test_in_array_port_bound_layer_in_closed_form() -> None:
    narrow = with_values(ARRAY, port_bandwidth=0.5)
    assert cycles(Op("conv2d", 14, 14, 96, 96), narrow) == (196 * 96 + 196 * 96 / 8) / 0.5 + 15


@given(op=layers)
def test_in_array_bounds(op: Op) -> None:
    got = cost(op, ARRAY)
    assert got.cycles[0] >= op.macs / ARRAY.peak(500) * (1 - 1e-12)
    assert got.weight_bytes[0] >= op.weight_bytes
    assert got.active[0] <= min(8, got.weight_bytes[0] / 4096)


@given(op=layers, name=st.sampled_from(["macros", "parallel_tiles", "port_bandwidth"]))
def test_more_of_an_array_is_never_slower(op: Op, name: str) -> None:
    times = [cycles(op, with_values(ARRAY, **{name: value})) for value in (1, 2, 3, 4, 8, 64)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(times))


def test_digital_unit_in_closed_form() -> None:
    assert TILES.digital is not None
    scores, softmax = Op("matmul", 64, 1, 16, 64, heads=3), Op("softmax", 64, 1, 64, 64, heads=3)
    got = TILES.digital.cost(OpArrays.of([scores, softmax, scores]), np.array([8.0, 8.0, 2.0]), ARRAY)
    # Each head in a macro of its own; over two macros one has two heads. An operand of each product and the
    # keys pass a port of 16 B/cycle, which is slower than 16 MAC/cycle.
    head = (64 * 16 * 64 + 16 * 64) / 16
    assert got.cycles == pytest.approx([head, 64 * 64 * 8.95, 2 * head])
    assert got.mac_pj == pytest.approx([scores.macs * 0.14, 3 * 64 * 64 * 4, scores.macs * 0.14])
    moved = [scores.macs + 3 * 16 * 64 + 3 * 64 * 64, 2 * 3 * 64 * 64]
    assert got.buffer_pj[:2] == pytest.approx([0.2 * number for number in moved])
    assert got.room.tolist() == [16 * 64 + 2 * 16, 2 * 64, 2 * 16 * 64 + 2 * 16]


def test_capacity_is_in_whole_tiles() -> None:
    assert ARRAY.capacity_bytes == 8 * 32 * 4096
    assert with_values(ARRAY, rows=100).macro_capacity_bytes == 40 * 3200


def test_writing_weights_is_a_cost_of_deployment() -> None:
    assert CIM.deployment_s(1e6) == pytest.approx(1 / 10.4)  # 0.1 s per MB
    assert CIM.deployment_mj(1e6) == pytest.approx(0.2)  # 200 pJ/B
