"""Closed form of the NPU against golden values and a scalar version, and its properties."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import Npu, array_terms, sram_bytes, weight_bytes

NPUS = {name: load_soc(name).npu for name in ("u55-128", "u55-256")}
SMALL, LARGE = NPUS["u55-128"], NPUS["u55-256"]
TERMS = ("step", "mac", "out", "fill", "stall", "sram", "weights", "total")

# Total cycles on U55-128 and U55-256: first as published with the model's first version, then what Vela says.
GOLDEN = [
    (Op("conv2d", 16, 16, 32, 192), (25979.2, 13435.2), (25664, 13632)),
    (Op("conv2d", 16, 16, 64, 64, kernel=3), (77601.6, 40225.6), (75668, 39200)),
    (Op("conv2d", 24, 24, 48, 48, kernel=3, stride=2), (35611.2, 19547.2), (33312, 22208)),
    # Eight channels fill half a brick of 16: on the larger device SRAM then bounds the layer, as in Vela.
    (Op("conv2d", 32, 32, 8, 8), (4514.4, 4096), (5184, 4096)),
    (Op("depthwise", 28, 28, 144, 144, kernel=3), (86508, 43660), (85828, 44088)),
    (Op("linear", 64, 1, 128, 384), (26708.8, 13908.8), (26176, 14144)),
    (Op("linear", 1, 1, 1280, 1000), (290500, 290500), (288708, 288708)),
]

# step, mac, out, fill, stall, sram, weights, total on U55-256.
TERMS_GOLDEN = [
    (Op("conv2d", 16, 16, 32, 192), (4, 6144, 12288, 960, 187.2, 9216, 7481.6, 13435.2)),
    (Op("conv2d", 6, 6, 256, 16), (32, 576, 144, 424, 0, 1224, 993.6, 1224)),
    (Op("depthwise", 4, 4, 48, 48, kernel=3), (12, 576, 192, 448, 0, 246, 228, 1024)),
    (Op("linear", 49, 1, 40, 96), (8, 1536, 1176, 1028, 0, 882, 1304, 2564)),
]


@pytest.mark.parametrize(("op", "published", "vela"), GOLDEN, ids=lambda value: getattr(value, "shape", ""))
def test_golden_totals(op: Op, published: tuple[float, float], vela: tuple[float, float]) -> None:
    got = [float(npu.cycles([op])[0]) for npu in NPUS.values()]
    assert got == pytest.approx(published, rel=1e-12)
    assert got == pytest.approx(vela, rel=0.13)


@pytest.mark.parametrize(("op", "expected"), TERMS_GOLDEN, ids=lambda value: getattr(value, "shape", ""))
def test_golden_terms(op: Op, expected: tuple[float, ...]) -> None:
    terms = array_terms(OpArrays.of([op]), LARGE)
    assert [float(getattr(terms, name)[0]) for name in TERMS] == pytest.approx(expected, rel=1e-12)


def scalar_cycles(op: Op, npu: Npu) -> float:
    """The same equations once more, for one op, with the constants written out."""
    depthwise, linear = op.kind == "depthwise", op.kind == "linear"
    height, width, in_channels, out_channels = op.height, op.width, op.in_channels, op.out_channels
    if linear:
        tokens = height * width
        height = max(side for side in range(1, tokens + 1) if side * side <= tokens and tokens % side == 0)
        width = tokens // height
    uh, uw, omega, deep, held = (1, 2, 0.5, 48, 2048) if npu is SMALL else (2, 2, 0.25, 64, 4096)
    rows, columns = ceil(height / op.stride), ceil(width / op.stride)
    n, window = rows * columns, op.kernel**2
    if rows == 1 and op.kernel == 1 and columns % 2 == 0:
        blocks = ceil(columns / (uh * uw))
    else:
        blocks = ceil(rows / uh) * ceil(columns / uw)
    group = 4 * ceil(window / 4)
    depth = 4 * window * ceil(in_channels / 32)
    part = group if in_channels <= 8 else 2 * group * ceil(in_channels / 16)
    depth_use = in_channels / (32 * ceil(in_channels / 32))
    part_use = in_channels * window / (8 * ceil(in_channels / 8) * 4 * ceil(window / 4))
    takes_part = not linear and (in_channels <= 8 or part_use > depth_use)
    step = group if depthwise else part if takes_part else depth
    mac = blocks * ceil(out_channels / 8) * step * max(1.0, 8 / blocks)
    out = n * out_channels * omega

    trained = window * in_channels * out_channels
    if takes_part:
        padded = 8 * ceil(in_channels / 8) * 4 * ceil(window / 4) * out_channels
    else:
        padded = window * 32 * ceil(in_channels / 32) * out_channels
    slabs = 16 * window * ceil(out_channels / 16)
    encoded = 0.9 * trained if padded == trained else trained + 0.125 * (padded - trained)
    encoded = (slabs if depthwise else encoded) + 10 * out_channels
    reads = max(1, ceil(n * min(out_channels, 16 if depthwise else deep) / held))
    stream = encoded * reads / 4 + (32 if n > 16 else 0)
    first = ((slabs if depthwise else 0.9 * trained) + 10 * out_channels) * min(1, 16 / out_channels)
    stall = first / 4 + 32 if n > 63 else 0

    rereads = 1 if depthwise else ceil(out_channels / (128 if n <= 64 else deep))
    overlap = min(1.6, (1 + (op.kernel - 1) / (8 * op.stride)) ** 2) if op.kernel > 1 else 1
    in_bricks, out_bricks = 16 * ceil(in_channels / 16), 16 * ceil(out_channels / 16)
    sram = (height * width * in_bricks * rereads * overlap + n * out_bricks) / 8

    b = min(n, 64)
    z: float
    if n > 63:
        z = min(out_channels, 32)
    elif depthwise:
        z = min(out_channels, 128 if n <= 16 else 16)
    else:
        z = min(out_channels, 2048 / b)
    z_in = z if depthwise else min(in_channels, 32)
    fill = 64 + min(height * width, 1.5 * op.stride**2 * b) * z_in / 8 + b * z / 8
    fill += min(mac, out) / max(1, n * out_channels / (b * z))
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
        (
            Op("softmax", 49, 1, 49, 49, heads=2),
            867 + 32.6 * 98 + 4.83 * 98 * 49 + 6.42 * 98 * 64,
            453 + 38.4 * 98 + 3.35 * 98 * 49 + 4.98 * 98 * 64,
        ),
        (
            Op("norm", 64, 1, 40, 40),
            1545 + 6.78 * 64 * 40 + 7.86 * 64 * 48,
            1200 + 4.75 * 64 * 40 + 6.33 * 64 * 48,
        ),
        (Op("activation", 8, 8, 128, 128), 862 + 64 * 128, 756 + 0.5 * 64 * 128),
        (Op("add", 8, 8, 40, 40), 1.5 * 64 * 48, 0.75 * 64 * 48),
        (Op("pool", 7, 7, 96, 96, kernel=7, stride=7), 127 + 0.65 * 49 * 96, 127 + 0.65 * 49 * 96),
        (
            Op("matmul", 64, 1, 32, 64, heads=3),
            0.813 * 3 * 64 * 64 * 32 + 1.6 * 3 * 64 * 64 + 116 * 64 + 0.054 * 64 * 64 * 32,
            0.58 * 3 * 64 * 64 * 32 + 0.523 * 3 * 64 * 64 + 178 * 64 + 0.018 * 64 * 64 * 32,
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Op) else "",
)
def test_costs_of_other_kinds(op: Op, small: float, large: float) -> None:
    assert SMALL.cycles([op])[0] == pytest.approx(small)
    assert LARGE.cycles([op])[0] == pytest.approx(large)


def test_more_heads_use_the_reduction_better_but_never_take_less_time() -> None:
    cycles = SMALL.cycles([Op("matmul", 64, 1, 32, 64, heads=heads) for heads in range(1, 9)])
    assert np.all(np.diff(cycles) > 0)
    assert np.all(np.diff(cycles / np.arange(1, 9)) <= 0)


def test_fused_gelu_bounds_the_output_rate() -> None:
    plain, fused = (Op("linear", 196, 1, 192, 768, fused_gelu=gelu) for gelu in (False, True))
    assert LARGE.cycles([fused])[0] == max(LARGE.cycles([plain])[0], 196 * 768)


def test_weights_stream_in_once_for_every_block_of_positions() -> None:
    op = Op("conv2d", 32, 32, 320, 72)
    once = 0.9 * 320 * 72 + 10 * 72
    assert weight_bytes(OpArrays.of([op]), SMALL)[0] == pytest.approx(once * 24)  # 1024 * 48 / 2048
    assert weight_bytes(OpArrays.of([op]), LARGE)[0] == pytest.approx(once * 16)  # 1024 * 64 / 4096


def test_only_trained_kinds_read_weights() -> None:
    ops = [Op("pool", 7, 7, 64, 64, kernel=7, stride=7), Op("add", 8, 8, 16, 16), Op("linear", 1, 1, 32, 16)]
    assert list(weight_bytes(OpArrays.of(ops), LARGE)) == [0, 0, 0.9 * 512 + 160]


def test_tokens_of_a_linear_layer_form_the_squarest_map() -> None:
    # 49 tokens are 7 x 7, which 2 x 2 blocks cover with 16; 48 are 6 x 8: 12; 97 is prime: 1 x 97, odd.
    ops = [Op("linear", tokens, 1, 32, 8) for tokens in (49, 48, 97)]
    assert list(array_terms(OpArrays.of(ops), LARGE).mac / 4) == [16, 12, 49]


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
