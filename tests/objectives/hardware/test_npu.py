"""The closed form against golden values, against a scalar version of itself, and its properties."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.npu import Npu, array_terms, sram_bytes, weight_bytes
from objectives.hardware.op import OpArrays

NPUS = {name: load_soc(name).npu for name in ("u55-128", "u55-256")}
SMALL, LARGE = NPUS["u55-128"], NPUS["u55-256"]
TERMS = ("step", "mac", "out", "fill", "stall", "sram", "weights", "total")

# step, mac, out, fill, stall, sram, weights, total; on U55-128 and U55-256. See docs/hardware.md.
GOLDEN = [
    (
        Op("conv2d", 16, 16, 32, 192),
        (4, 12288, 24576, 1216, 187.2, 10240, 1894.4, 25979.2),
        (4, 6144, 12288, 960, 187.2, 10240, 1894.4, 13435.2),
    ),
    (
        Op("conv2d", 16, 16, 64, 64, kernel=3),
        (72, 73728, 8192, 1728, 2145.6, 8448, 8486.4, 77601.6),
        (72, 36864, 4096, 1216, 2145.6, 8448, 8486.4, 40225.6),
    ),
    (
        Op("conv2d", 24, 24, 48, 48, kernel=3, stride=2),
        (72, 31104, 3456, 2880, 1627.2, 5238, 4817.6, 35611.2),
        (72, 15552, 1728, 2368, 1627.2, 5238, 4817.6, 19547.2),
    ),
    (
        Op("conv2d", 32, 32, 8, 8),
        (4, 2048, 4096, 352, 66.4, 2048, 66.4, 4514.4),
        (4, 1024, 2048, 288, 66.4, 2048, 66.4, 2402.4),
    ),
    (
        Op("depthwise", 28, 28, 144, 144, kernel=3),
        (12, 84672, 56448, 1728, 108, 36162, 716, 86508),
        (12, 42336, 28224, 1216, 108, 36162, 716, 43660),
    ),
    (
        Op("linear", 64, 1, 128, 384),
        (16, 24576, 12288, 1600, 532.8, 6144, 12051.2, 26708.8),
        (16, 12288, 6144, 1088, 532.8, 6144, 12051.2, 13908.8),
    ),
    (
        Op("linear", 1, 1, 1280, 1000),
        (160, 160000, 500, 88, 0, 1405, 290500, 290500),
        (160, 160000, 250, 80, 0, 1405, 290500, 290500),
    ),
]


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row[0].shape)
@pytest.mark.parametrize("device", [0, 1], ids=list(NPUS))
def test_golden_terms(row: tuple[Op, tuple[float, ...], tuple[float, ...]], device: int) -> None:
    terms = array_terms(OpArrays.of([row[0]]), list(NPUS.values())[device])
    got = [float(getattr(terms, name)[0]) for name in TERMS]
    assert got == pytest.approx(row[1 + device], rel=1e-12)


def scalar_cycles(op: Op, npu: Npu) -> float:
    """The same equations once more, for one op, with the constants written out."""
    depthwise, linear = op.kind == "depthwise", op.kind == "linear"
    height, width, in_channels, out_channels = op.height, op.width, op.in_channels, op.out_channels
    uh, uw, omega = (1, 2, 0.5) if npu is SMALL else (2, 2, 0.25)
    rows, columns = ceil(height / op.stride), ceil(width / op.stride)
    n, window = rows * columns, op.kernel**2
    if linear:
        blocks = ceil(n / (uh * uw))
    elif npu is LARGE and rows == 1 and op.kernel == 1 and columns % 2 == 0:
        blocks = ceil(columns / 4)
    else:
        blocks = ceil(rows / uh) * ceil(columns / uw)
    group = 4 * ceil(window / 4)
    depth = 4 * window * ceil(in_channels / 32)
    part = group if in_channels <= 8 else 2 * group * ceil(in_channels / 16)
    depth_use = in_channels / (32 * ceil(in_channels / 32))
    part_use = in_channels * window / (8 * ceil(in_channels / 8) * 4 * ceil(window / 4))
    if depthwise:
        step = group
    elif linear:
        step = depth
    else:
        step = part if in_channels <= 8 or part_use > depth_use else depth
    mac = blocks * ceil(out_channels / 8) * step * max(1.0, 8 / blocks)
    out = n * out_channels * omega
    encoded = (
        16 * window * ceil(out_channels / 16) if depthwise else 0.9 * window * in_channels * out_channels
    )
    weights = encoded + 10 * out_channels
    rereads = 1 if depthwise else ceil(out_channels / (128 if n <= 64 else 48))
    overlap = min(1.6, (1 + (op.kernel - 1) / (8 * op.stride)) ** 2) if op.kernel > 1 else 1
    sram = (height * width * in_channels * rereads * overlap + n * out_channels) / 8
    b, z = min(n, 64), min(out_channels, 32)
    fill = 64 + min(height * width, 1.5 * op.stride**2 * b) * min(in_channels, 32) / 8 + b * z / 8
    fill += min(mac, out) / max(1, n * out_channels / (b * z))
    stall = 0 if n <= 16 else weights * min(1, 16 / out_channels) / 4 + 32
    stream = weights / 4 + (32 if n > 16 else 0)
    return max(max(mac, out) + fill + stall, sram, stream)


sides, channels = st.integers(1, 64), st.integers(1, 300)
layers = st.one_of(
    st.builds(
        Op,
        st.just("conv2d"),
        sides,
        sides,
        channels,
        channels,
        st.sampled_from([1, 2, 3, 5, 7]),
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
    st.builds(lambda tokens, a, b: Op("linear", tokens, 1, a, b), st.integers(1, 300), channels, channels),
)


@given(ops=st.lists(layers, min_size=1, max_size=20))
def test_vectorised_equals_scalar(ops: list[Op]) -> None:
    for npu in NPUS.values():
        expected = [scalar_cycles(op, npu) for op in ops]
        np.testing.assert_allclose(npu.cycles(ops), expected, rtol=1e-12)


@given(op=layers)
def test_never_slower_on_the_larger_device(op: Op) -> None:
    assert LARGE.cycles([op])[0] <= SMALL.cycles([op])[0]


@given(op=layers)
def test_never_faster_with_more_groups_of_output_channels(op: Op) -> None:
    # Inside a group of eight the time falls slightly: the same blocks hide more of the pipeline's filling.
    arrays = OpArrays.of([op] * 48)
    grown = arrays.with_out_channels(np.arange(8.0, 392.0, 8.0))
    for npu in NPUS.values():
        assert np.all(np.diff(array_terms(grown, npu).total) >= -1e-9)


@given(op=layers)
def test_never_faster_than_the_peak(op: Op) -> None:
    for npu in NPUS.values():
        assert npu.cycles([op])[0] >= op.macs / npu.peak_macs_per_cycle


def test_peak_is_what_the_device_is_named_after() -> None:
    assert (SMALL.peak_macs_per_cycle, LARGE.peak_macs_per_cycle) == (128, 256)


def test_small_device_works_in_eights_of_output_channels() -> None:
    cycles = SMALL.cycles([Op("conv2d", 14, 14, 96, co) for co in range(121, 129)])
    np.testing.assert_allclose(cycles, cycles[0], rtol=1e-12)


def test_depthwise_uses_at_most_a_tenth_of_the_multipliers() -> None:
    op = Op("depthwise", 56, 56, 144, 144, kernel=3)
    assert op.macs / LARGE.cycles([op])[0] / 256 <= 0.094


def test_single_row_linear_does_eight_macs_a_cycle() -> None:
    op = Op("linear", 1, 1, 1280, 1000)
    for npu in NPUS.values():
        assert op.macs / array_terms(OpArrays.of([op]), npu).mac[0] == 8


@pytest.mark.parametrize(
    ("op", "small", "large"),
    [
        (Op("softmax", 64, 1, 64, 64, heads=4), 11.7 * 4 * 64 * 64, 8.95 * 4 * 64 * 64),
        (Op("norm", 64, 1, 128, 128), 15.5 * 64 * 128, 11.4 * 64 * 128),
        (Op("activation", 8, 8, 128, 128), 1.02 * 64 * 128, 0.56 * 64 * 128),
        (Op("add", 8, 8, 128, 128), 1.5 * 64 * 128, 0.75 * 64 * 128),
        (
            Op("matmul", 64, 1, 32, 64, heads=4),
            0.84 * 4 * 64 * 64 * 32 + 0.75 * 2 * 64 * 128,
            0.59 * 4 * 64 * 64 * 32 + 0.75 * 2 * 64 * 128,
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Op) else "",
)
def test_costs_per_element(op: Op, small: float, large: float) -> None:
    assert SMALL.cycles([op])[0] == pytest.approx(small)
    assert LARGE.cycles([op])[0] == pytest.approx(large)


def test_both_products_of_attention_transpose_the_same() -> None:
    scores = Op("matmul", 16, 1, 32, 16, heads=3)  # fewer tokens than channels of a head, too
    attend = Op("matmul", 16, 1, 16, 32, heads=3)
    assert LARGE.cycles([scores])[0] == LARGE.cycles([attend])[0]


def test_fused_gelu_bounds_the_output_rate() -> None:
    plain, fused = (Op("linear", 196, 1, 192, 768, fused_gelu=gelu) for gelu in (False, True))
    assert LARGE.cycles([fused])[0] == max(LARGE.cycles([plain])[0], 196 * 768)


def test_pool_is_a_depthwise_without_weights() -> None:
    arrays = OpArrays.of([Op("pool", 7, 7, 64, 64, kernel=7, stride=7)])
    terms = array_terms(arrays, LARGE)
    assert weight_bytes(arrays, LARGE)[0] == terms.stall[0] == terms.weights[0] == 0
    assert LARGE.cycles([Op("pool", 7, 7, 64, 64, kernel=7, stride=7)])[0] > 0


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
