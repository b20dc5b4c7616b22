"""Formulas of the chip and NPU pages, implemented again from the pages, against `npu.py` and `cim.py`."""

from __future__ import annotations

from math import ceil, floor, isqrt

import numpy as np
import pytest

from objectives.hardware import load_soc
from objectives.hardware.op import Op, OpArrays
from objectives.hardware.parts.npu import array_terms, sram_bytes
from tests.docs.pages import ROOT

NPU = {"u55-128": load_soc("u55-128").npu, "u55-256": load_soc("u55-256").npu}


def c(a: float, b: float) -> int:
    return ceil(a / b)


def page_says(op: Op, name: str) -> tuple[float, float, float]:
    """`T`, `Bs` and `Bw` of the section "Closed form", for a convolution, depthwise or linear layer."""
    large = name == "u55-256"
    uh, uw, half, held, deep = (2, 2, 4, 4096, 64) if large else (1, 2, 2, 2048, 48)
    h, w, ci, co, k, s = op.height, op.width, op.in_channels, op.out_channels, op.kernel, op.stride
    if op.kind == "linear":
        tokens = h * w
        h = next(side for side in range(isqrt(tokens), 0, -1) if tokens % side == 0)
        w = tokens // h
    depthwise = op.kind == "depthwise"
    rows, columns, window = c(h, s), c(w, s), k * k
    n = rows * columns
    flat = rows == 1 and window == 1 and columns % 2 == 0
    blocks = c(columns, uh * uw) if flat else c(rows, uh) * c(columns, uw)
    part_use = ci * window / (8 * c(ci, 8) * 4 * c(window, 4))
    part_kernel = op.kind != "linear" and (ci <= 8 or part_use > ci / (32 * c(ci, 32)))
    if depthwise:
        step = 4 * c(window, 4)
    elif part_kernel:
        step = 8 * c(window, 4) * c(ci, 16) // (2 if ci <= 8 else 1)
    else:
        step = 4 * window * c(ci, 32)
    mac = blocks * c(co, 8) * step * max(1, 8 / blocks)
    out = n * co / half
    padded = 8 * c(ci, 8) * 4 * c(window, 4) if part_kernel else window * 32 * c(ci, 32)
    padding = (padded - window * ci) * co
    if depthwise:
        encoded = 16.0 * window * c(co, 16)
    else:
        encoded = window * ci * co + padding / 8 if padding else 0.9 * window * ci * co
    reads = max(1, c(n * min(co, 16 if depthwise else deep), held))
    weights = (encoded + 10 * co) * reads
    rereads = 1 if depthwise else c(co, 128) if n <= 64 else c(co, deep)
    overlap = min(1.6, (1 + (k - 1) / (8 * s)) ** 2)
    moved = h * w * 16 * c(ci, 16) * rereads * overlap + n * 16 * c(co, 16)
    b = min(n, 64)
    do = min(co, 32)
    if n <= 63:
        do = min(co, 2048 / b)  # type: ignore[assignment]
        if depthwise:
            do = min(co, 128 if n <= 16 else 16)
    di = do if depthwise else min(ci, 32)
    fill = 64 + min(h * w, 1.5 * s * s * b) * di / 8 + b * do / 8 + min(mac, out) / max(1, n * co / (b * do))
    first = ((16 * window * c(co, 16) if depthwise else 0.9 * window * ci * co) + 10 * co) * min(1, 16 / co)
    stall = 0 if n <= 63 else first / 4 + 32
    latency = 0 if n <= 16 else 32
    total = max(max(mac, out) + fill + stall, moved / 8, weights / 4 + latency)
    return total, moved, weights


def ops() -> list[Op]:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        side = int(rng.choice([1, 2, 4, 6, 7, 8, 12, 14, 16, 28, 32, 56]))
        ci, co = (8 * int(rng.integers(1, 40)) for _ in range(2))
        if rng.random() < 0.1:
            ci = 3
        kernel, stride = int(rng.choice([1, 2, 3, 5])), int(rng.choice([1, 2]))
        kind = str(rng.choice(["conv2d", "depthwise", "linear"]))
        if kind == "linear":
            drawn.append(Op("linear", side * side, 1, ci, co))
        else:
            drawn.append(Op(kind, side, side, ci, ci if kind == "depthwise" else co, kernel, stride))
    return drawn


@pytest.mark.parametrize("name", NPU)
def test_layers_of_the_array(name: str) -> None:
    chosen = ops()
    terms = array_terms(OpArrays.of(chosen), NPU[name])
    for index, op in enumerate(chosen):
        got = (terms.total[index], terms.sram_bytes[index], terms.weight_bytes[index])
        assert got == pytest.approx(page_says(op, name)), op


def test_bytes_of_the_other_ops() -> None:
    scores = Op("matmul", 64, 1, 16, 64, heads=3)
    others = [
        scores,
        Op("softmax", 64, 1, 64, 64, heads=3),
        Op("norm", 64, 1, 48, 48),
        Op("add", 8, 8, 48, 48),
    ]
    elements = 3 * 64 * 64
    expected = [3.1 * elements * 16 + 4 * 3 * 16 * 64, 57 * elements, 65 * 64 * 48, 3 * 64 * 48]
    assert sram_bytes(OpArrays.of(others), NPU["u55-256"]).tolist() == pytest.approx(expected)


def test_in_array_tiles_and_digital_unit() -> None:
    soc = load_soc("u55-256-tiles8")
    assert soc.cim is not None
    assert soc.digital is not None
    chosen = [
        Op("conv2d", 14, 14, 96, 200, 3, 2),
        Op("depthwise", 14, 14, 96, 96, 3, 1),
        Op("linear", 64, 1, 48, 96),
    ]
    macros, beat = 8, 30e-3 * 500
    cost = soc.cim.cost(OpArrays.of(chosen), np.full(3, float(macros)), 500.0)
    for index, op in enumerate(chosen):
        k, s, ci, co = op.kernel, op.stride, op.in_channels, op.out_channels
        p = c(op.height, s) * c(op.width, s)
        if op.kind == "depthwise":
            tiles = c(k * k, 128) * c(co, max(1, min(32, floor(128 / k**2))))
            moved = min(k, s) ** 2 * p * c(co, macros)
        else:
            tiles = c(k * k * ci, 128) * c(co, 32)
            moved = min(k, s) ** 2 * p * ci
        port = (moved + p * co / macros) / 16
        assert cost.cycles[index] == pytest.approx(max(p * c(tiles, macros) * beat, port) + beat)
        energy = 0.071 * 128 * 32 * p * tiles + 0.2 * (min(macros, tiles) * moved + p * co)
        assert cost.mac_pj[index] + cost.buffer_pj[index] == pytest.approx(energy)
    products = [Op("matmul", 64, 1, 16, 64, heads=3), Op("softmax", 64, 1, 64, 64, heads=3)]
    digital = soc.digital.cost(OpArrays.of(products), np.full(2, 2.0), soc.cim)
    elements = 3 * 64 * 64
    assert digital.cycles.tolist() == pytest.approx(
        [2 / 3 * (elements * 16 + 3 * 16 * 64) / 16, 2 / 3 * 8.95 * elements]
    )
    assert digital.mac_pj.tolist() == pytest.approx([0.14 * elements * 16, 4 * elements])


def test_the_page_still_says_so() -> None:
    """The formulas above are those of the pages: a changed line there needs a change here."""
    pages = [ROOT / "docs" / "explanation" / name for name in ("npu-model.md", "chip-model.md")]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    for line in (
        "step          = 4 C(K, 4) depthwise | 4 K C(ci, 32) depth-first | 8 C(K, 4) C(ci, 16) part-kernel",
        "overlap       min( 1.6, (1 + (k - 1) / (8 s))^2 )",
        "fill          64 + min(h w, 1.5 s^2 b) di / 8 + b do / 8 + min(mac, out) / max(1, n co / (b do))",
        "T             = max( max(mac, out) + fill + stall,  Bs / 8,  Bw / 4 + 32 )",
        "tiles  = C(k^2 ci, R) C(co, C)",
        "T = C(heads, M) / heads * max( MACs / 16 | 8.95 e of a softmax,  b / B_port )",
    ):
        assert line in text
