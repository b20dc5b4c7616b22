"""Near-memory macros against closed forms, and their order under more of each resource."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.cim import Cim, cim_cost, overlap_factor
from objectives.hardware.op import OpArrays

SOC = load_soc("u55-256-cim8")
assert SOC.cim is not None
CIM: Cim = SOC.cim

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


def with_values(cim: Cim, **values: float) -> Cim:
    """`cim` with other numbers."""
    return replace(
        cim,
        **{
            name: replace(getattr(cim, name), value=float(value), low=float(value), high=float(value))
            for name, value in values.items()
        },
    )


def cycles(op: Op, cim: Cim) -> float:
    return float(cim_cost(OpArrays.of([op]), cim, 500).cycles[0])


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
    cost = cim_cost(OpArrays.of([Op("conv2d", 14, 14, 96, 96)]), CIM, 500)
    assert cost.mac_pj[0] == pytest.approx(196 * 9216 * 0.071)
    assert cost.read_pj[0] == pytest.approx(7 * 9216 * 1.84)  # 196 positions in rounds of 32
    assert cost.input_pj[0] == pytest.approx(8 * 196 * 96 * 0.2)


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
    one, four = (cim_cost(OpArrays.of([op]), with_values(CIM, compute_units=units), 500) for units in (1, 4))
    assert four.read_pj[0] <= one.read_pj[0]
    assert four.input_pj[0] <= one.input_pj[0]
    assert four.mac_pj[0] == one.mac_pj[0]


@given(op=layers)
def test_never_faster_than_the_peak(op: Op) -> None:
    assert cycles(op, CIM) >= op.macs / CIM.peak_macs_per_cycle * (1 - 1e-12)
