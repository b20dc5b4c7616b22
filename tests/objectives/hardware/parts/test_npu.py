"""Closed form of the NPU against values of the compiler, and its properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu, array_terms, sram_bytes, weight_bytes
from objectives.hardware.vela_compiler.probe import op_cycles
from objectives.hardware.vela_compiler.vela import system_configuration

NPUS = {name: load_soc(name).npu for name in ("u55-32", "u55-64", "u55-128", "u55-256", "u65-256")}
SMALL, LARGE = NPUS["u55-128"], NPUS["u55-256"]

# Cycles of Vela 5.2.0 on U55-128 and U55-256, without the ops whose compressed weights decide.
GOLDEN = [
    (Op("conv2d", 16, 16, 32, 192), 25664, 13632),
    (Op("conv2d", 16, 16, 64, 64, kernel=3), 75668, 39200),
    (Op("conv2d", 32, 32, 8, 8), 5184, 4096),
    (Op("conv2d", 8, 8, 24, 48, kernel=2, stride=2), 1440, 1296),
    (Op("depthwise", 28, 28, 144, 144, kernel=3), 85828, 44088),
    (Op("activation", 8, 8, 128, 128), 10048, 5440),
    (Op("add", 8, 8, 128, 128), 12288, 6144),
    (Op("pool", 7, 7, 64, 64, kernel=7, stride=7), 2432, 2428),
    (Op("norm", 64, 1, 128, 128), 120520, 90176),
    (Op("matmul", 64, 1, 64, 32, heads=4), 437504, 306400),
]


def with_values(npu: Npu, **values: float) -> Npu:
    """`npu` with other values of some numbers."""
    changed = {
        name: replace(getattr(npu, name), value=value, low=0, high=1e9) for name, value in values.items()
    }
    return replace(npu, **changed)


@pytest.mark.parametrize(("op", "small", "large"), GOLDEN, ids=lambda value: getattr(value, "shape", ""))
def test_is_the_compiler_where_no_weights_decide(op: Op, small: int, large: int) -> None:
    got = [float(npu.cycles([op])[0]) for npu in (SMALL, LARGE)]
    assert got == pytest.approx([small, large], rel=0.005)


@pytest.mark.parametrize("name", NPUS)
def test_each_size_follows_the_compiler(name: str) -> None:
    # The last two have few micro-blocks, so that the weight decoder and idle steps decide.
    ops = [
        Op("conv2d", 16, 16, 32, 64, kernel=3),
        Op("depthwise", 14, 14, 64, 64, kernel=5),
        Op("norm", 49, 1, 48, 48),
        Op("add", 14, 14, 64, 64),
        Op("conv2d", 2, 2, 64, 64, kernel=3),
        Op("depthwise", 1, 1, 64, 64, kernel=3),
    ]
    npu = with_values(NPUS[name], weight_bandwidth=NPUS[name].family.port_bytes)
    compiled = [op_cycles([op], system_configuration(npu))[0] for op in ops]
    assert npu.cycles(ops).tolist() == pytest.approx(compiled, rel=0.015)


sides, channels = st.integers(1, 40), st.integers(1, 200)
layers = st.one_of(
    st.builds(
        Op,
        st.just("conv2d"),
        sides,
        sides,
        channels,
        channels,
        st.sampled_from([1, 2, 3, 5]),
        st.integers(1, 3),
    ),
    st.builds(
        lambda height, width, count, kernel, stride: Op(
            "depthwise", height, width, count, count, kernel, stride
        ),
        sides,
        sides,
        channels,
        st.sampled_from([3, 5, 7]),
        st.integers(1, 2),
    ),
    st.builds(lambda tokens, a, b: Op("linear", tokens, 1, a, b), st.integers(1, 200), channels, channels),
    st.builds(
        lambda n, d, h: Op("matmul", n, 1, d, n, heads=h), st.integers(1, 100), channels, st.integers(1, 6)
    ),
    st.builds(lambda n, h: Op("softmax", n, 1, n, n, heads=h), st.integers(1, 100), st.integers(1, 6)),
    st.builds(lambda n, c: Op("norm", n, 1, c, c), st.integers(1, 100), channels),
    st.builds(lambda side, c: Op("add", side, side, c, c), sides, channels),
)


@given(op=layers)
def test_never_faster_than_the_peak(op: Op) -> None:
    for npu in NPUS.values():
        assert npu.cycles([op])[0] >= op.macs / npu.peak_macs_per_cycle


@given(op=layers)
def test_never_faster_with_a_slower_memory(op: Op) -> None:
    slow = [with_values(LARGE, sram_bandwidth=2), with_values(LARGE, weight_bandwidth=1)]
    for npu in slow:
        assert npu.cycles([op])[0] >= LARGE.cycles([op])[0]


@given(op=layers)
def test_every_kind_takes_the_time_of_its_transfers(op: Op) -> None:
    npu = with_values(SMALL, sram_bandwidth=0.01)
    terms = array_terms(OpArrays.of([op]), npu)
    assert terms.total[0] >= terms.sram[0] >= terms.sram_bytes[0] / 0.01 * (1 - 1e-3) - 40
    assert terms.total[0] >= array_terms(OpArrays.of([op]), SMALL).npu[0]


def test_repeated_ops_cost_the_same_in_any_order() -> None:
    ops = [row[0] for row in GOLDEN]
    together = LARGE.cycles([*ops, *reversed(ops)])
    np.testing.assert_array_equal(together[: len(ops)], together[: len(ops) - 1 : -1])
    assert together.tolist() == [float(LARGE.cycles([op])[0]) for op in [*ops, *reversed(ops)]]


def test_peak_is_what_the_device_is_named_after() -> None:
    assert [npu.peak_macs_per_cycle for npu in NPUS.values()] == [32, 64, 128, 256, 256]


def test_smaller_devices_take_longer_and_have_less_power_and_area() -> None:
    ops = [Op("conv2d", 28, 28, 64, 64, kernel=3), Op("add", 28, 28, 64, 64), Op("softmax", 49, 1, 49, 49)]
    sizes = {name: npu for name, npu in NPUS.items() if name.startswith("u55")}
    times = np.array([npu.cycles(ops) for npu in sizes.values()])
    assert np.all(np.diff(times, axis=0) < 0)
    for numbers in (
        [npu.static_power.value for npu in sizes.values()],
        [load_soc(name).area_mm2 for name in sizes],
    ):
        assert np.all(np.diff(numbers) > 0)


def test_small_device_works_in_eights_of_output_channels() -> None:
    cycles = SMALL.cycles([Op("conv2d", 14, 14, 96, co) for co in range(121, 129)])
    np.testing.assert_allclose(cycles, cycles[0], rtol=1e-2)


def test_depthwise_uses_at_most_a_tenth_of_the_multipliers() -> None:
    op = Op("depthwise", 56, 56, 144, 144, kernel=3)
    assert op.macs / LARGE.cycles([op])[0] / 256 <= 0.094


def test_single_row_linear_is_bound_by_its_weights() -> None:
    op = Op("linear", 1, 1, 1280, 1000)
    # 0.9 of 1280 x 1000 weights, 10,000 bytes of scales and a header of 16, at 4 B/cycle.
    for npu in (SMALL, LARGE):
        assert npu.cycles([op])[0] == int((0.9 * 1280 * 1000 + 10000 + 16) / 4)


def test_fused_gelu_bounds_the_output_rate() -> None:
    plain, fused = (Op("linear", 196, 1, 192, 768, fused_gelu=gelu) for gelu in (False, True))
    assert 1.0 < LARGE.cycles([fused])[0] / (196 * 768) < 1.05
    assert LARGE.cycles([plain])[0] < LARGE.cycles([fused])[0]


def test_stride_of_two_without_a_window_reads_more_than_it_needs() -> None:
    # A quarter of the positions is needed, but a block reads what lies between them.
    op = Op("conv2d", 16, 16, 48, 16, kernel=1, stride=2)
    read = sram_bytes(OpArrays.of([op]), SMALL)[0] - 8 * 8 * 16
    assert read == 2 * 8 * 8 * 48


def test_image_is_read_pixel_by_pixel() -> None:
    image, brick = (Op("conv2d", 32, 32, count, 16, kernel=3, stride=2) for count in (3, 16))
    read = [sram_bytes(OpArrays.of([op]), SMALL)[0] - 16 * 16 * 16 for op in (image, brick)]
    assert read[0] < read[1] / 4


def test_only_trained_kinds_read_weights() -> None:
    ops = [Op("pool", 7, 7, 64, 64, kernel=7, stride=7), Op("add", 8, 8, 16, 16), Op("linear", 1, 1, 32, 16)]
    assert list(weight_bytes(OpArrays.of(ops), LARGE)) == [0, 0, 0.9 * 512 + 160 + 16]


def test_every_kind_moves_at_least_its_activations_once() -> None:
    ops = [
        Op("conv2d", 8, 8, 16, 32),
        Op("depthwise", 8, 8, 16, 16, kernel=3),
        Op("linear", 64, 1, 16, 32),
        Op("matmul", 64, 1, 16, 64, heads=2),
        Op("softmax", 64, 1, 64, 64, heads=2),
        Op("norm", 64, 1, 16, 16),
        Op("activation", 64, 1, 16, 16),
        Op("add", 8, 8, 16, 16),
        Op("pool", 8, 8, 16, 16, kernel=8, stride=8),
    ]
    moved = sram_bytes(OpArrays.of(ops), LARGE)
    assert np.all(moved >= [op.input_bytes + op.output_bytes for op in ops])


def test_no_ops_cost_nothing() -> None:
    cycles = LARGE.cycles([])
    assert cycles.shape == (0,)
    assert cycles.dtype == np.float64
