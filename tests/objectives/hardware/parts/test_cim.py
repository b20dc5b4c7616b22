"""Near-memory macros against closed forms, and monotonicity in each resource."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import Cim, CimCost, InArray, NearMemory, overlap_factor

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


def test_compute_bound_layer_in_closed_form() -> None:
    op = Op("conv2d", 14, 14, 96, 96)  # 9,216 weights in 8 macros, 16 a cycle each
    assert cycles(op, CIM) == 196 * 9216 / (8 * 16)


def test_read_bound_layer_in_closed_form() -> None:
    # 196 positions in rounds of 4; 9 words of 128 B in each macro, 3 ns = 1.5 cycles a word.
    slow = with_values(CIM, positions_per_read=4, unit_rate=4096, port_bandwidth=4096)
    assert cycles(Op("conv2d", 14, 14, 96, 96), slow) == 49 * 9 * 1.5


def test_port_bound_layer_in_closed_form() -> None:
    narrow = with_values(CIM, port_bandwidth=0.5)
    assert cycles(Op("conv2d", 14, 14, 96, 96), narrow) == (196 * 96 + 196 * 96 / 8) / 0.5


def test_energy_in_closed_form() -> None:
    got = cost(Op("conv2d", 14, 14, 96, 96), CIM)
    assert got.mac_pj[0] == pytest.approx(196 * 9216 * 0.071)
    assert got.read_pj[0] == pytest.approx(7 * 9216 * 1.84)  # 196 positions in rounds of 32
    assert got.input_pj[0] == pytest.approx(8 * 196 * 96 * 0.2)


def test_published_figures_convert() -> None:
    assert CIM.mac_energy.value == pytest.approx(2 / 28.1, rel=0.01)  # TOPS/W, two operations a MAC
    assert CIM.read_energy.value == pytest.approx(0.23 * 8)  # pJ/bit
    assert CIM.read_width.value / CIM.read_time.value == pytest.approx(42.67, rel=0.001)  # GB/s
    assert CIM.capacity_bytes == 2**20


@pytest.mark.parametrize(
    ("kernel", "stride", "units", "factor"),
    [(3, 1, 4, 0.5), (3, 2, 4, 0.75), (5, 1, 4, 0.4), (3, 1, 1, 1), (1, 1, 4, 1), (2, 2, 4, 1), (3, 4, 4, 1)],
)
def test_neighbouring_windows_share_inputs(kernel: int, stride: int, units: int, factor: float) -> None:
    got = overlap_factor(np.array([float(kernel)]), np.array([float(stride)]), units)
    assert got[0] == pytest.approx(factor)


def test_sharing_is_what_a_row_of_outputs_touches() -> None:
    for kernel in range(1, 8):
        for stride in range(1, kernel):
            for units in range(1, 6):
                touched = {unit * stride + offset for unit in range(units) for offset in range(kernel)}
                got = overlap_factor(np.array([float(kernel)]), np.array([float(stride)]), units)[0]
                assert got == pytest.approx(len(touched) / (kernel * units))


@given(
    op=layers,
    name=st.sampled_from(
        ["macros", "compute_units", "unit_rate", "positions_per_read", "read_width", "port_bandwidth"]
    ),
)
def test_more_of_a_resource_is_never_slower(op: Op, name: str) -> None:
    values = [1, 2, 3, 4, 8, 16, 64]
    times = [cycles(op, with_values(CIM, **{name: value})) for value in values]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(times))


@given(op=layers)
def test_sharing_reads_saves_energy(op: Op) -> None:
    one, four = (cost(op, with_values(CIM, compute_units=units)) for units in (1, 4))
    assert four.read_pj[0] <= one.read_pj[0]
    assert four.input_pj[0] <= one.input_pj[0]
    assert four.mac_pj[0] == one.mac_pj[0]


@given(op=layers)
def test_never_faster_than_the_peak(op: Op) -> None:
    assert cycles(op, CIM) >= op.macs / CIM.peak(500) * (1 - 1e-12)


def test_in_array_layer_in_closed_form() -> None:
    # 3 x 3 tiles of 128 x 32 over 8 macros: two rounds of beats, 15 cycles each, and one beat to fill.
    op = Op("conv2d", 14, 14, 300, 96)
    assert ARRAY.tiles(OpArrays.of([op]))[0] == 9
    assert cycles(op, with_values(ARRAY, port_bandwidth=1e9)) == 196 * 2 * 15 + 15
    got = cost(op, ARRAY)
    assert got.weight_bytes[0] == 9 * 128 * 32
    assert got.macro_bytes[0] == 2 * 128 * 32
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
    assert got.macro_bytes[0] * 8 >= got.weight_bytes[0]


@given(op=layers, name=st.sampled_from(["macros", "parallel_tiles", "port_bandwidth"]))
def test_more_of_an_array_is_never_slower(op: Op, name: str) -> None:
    times = [cycles(op, with_values(ARRAY, **{name: value})) for value in (1, 2, 3, 4, 8, 64)]
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(times))


def test_digital_unit_in_closed_form() -> None:
    assert TILES.digital is not None
    scores, softmax = Op("matmul", 64, 1, 16, 64, heads=3), Op("softmax", 64, 1, 64, 64, heads=3)
    got = TILES.digital.cost(OpArrays.of([scores, softmax, scores]), np.array([8.0, 8.0, 2.0]))
    # Each head in a macro of its own; over two macros one has two heads.
    assert got.cycles == pytest.approx([64 * 16 * 64 / 16, 64 * 64 * 8.95, 2 * 64 * 16 * 64 / 16])
    assert got.mac_pj == pytest.approx([scores.macs * 0.14, 3 * 64 * 64 * 4, scores.macs * 0.14])


def test_capacity_is_in_whole_tiles() -> None:
    assert ARRAY.capacity_bytes == 8 * 32 * 4096
    assert with_values(ARRAY, rows=100).macro_capacity_bytes == 40 * 3200


def test_writing_weights_is_a_cost_of_deployment() -> None:
    assert CIM.deployment_s(1e6) == pytest.approx(1 / 10.4)  # 0.1 s per MB
    assert CIM.deployment_mj(1e6) == pytest.approx(0.2)  # 200 pJ/B
