"""Formulas of the chip and NPU pages, implemented again from the pages, against `npu.py` and `cim.py`."""

from __future__ import annotations

from math import ceil, floor, sqrt

import numpy as np
import pytest

from objectives.hardware import load_soc
from objectives.hardware.op import Op, OpArrays
from objectives.hardware.parts.npu import array_terms
from tests.docs.pages import ROOT

NPU = {"u55-128": load_soc("u55-128").npu, "u55-256": load_soc("u55-256").npu}


def c(a: float, b: float) -> int:
    return ceil(a / b)


def up(a: int, b: int) -> int:
    return c(a, b) * b


def block_of(op: Op, name: str, rows: int, columns: int, height: int, width: int) -> tuple[int, ...]:
    """The output block by the section "Output block", tried one after the other, and its input block."""
    uh, uw, banks, grain = (2, 2, 48, 8) if name == "u55-256" else (1, 2, 24, 4)
    ci, co, k, s, depthwise = op.in_channels, op.out_channels, op.kernel, op.stride, op.kind == "depthwise"
    part = is_part_kernel(op)
    depths = [d for d in range(8, 129, 8) if d <= up(min(co, 128), 8) and (d >= co or d % 16 == 0)]
    best: tuple[float, int] = (np.inf, 0)
    chosen: tuple[int, ...] = ()
    f = np.float32
    for bd in depths:
        for bh in range(uh, up(min(rows, 32), uh) + 1, uh):
            for bw in range(uw, up(min(columns, 64), uw) + 1, uw):
                ih, iw = up((bh - 1) * s + min(k, 8), uh), up((bw - 1) * s + min(k, 8), uw)
                depth = bd if depthwise else up(min(ci, 16 if part else 32), 8)
                kept = min(bh, 1) if rows == 1 and k == 1 and uh == 2 else bh
                inputs = up(2 * c(ih * iw * depth, 1024), grain)
                sums = up(2 * c(4 * kept * bw * bd, 1024), 2 * grain)
                if inputs + sums > banks - 4:
                    continue
                weights = f(k * k * ci * c(rows, kept) * c(columns, bw))
                cost = f(ih * iw * ci) * (f(columns) / f(bw)) * (f(rows) / f(kept))
                if not depthwise:
                    weights = weights * (f(co) / f(bd)) * f(bd)
                    cost = cost * f(c(co, bd))
                cost = (cost + weights) / f(rows * columns * co)
                cost = cost / f(2) if height * width * ci < 2 * ih * iw * depth else cost
                read = min(height, ih) * min(width, iw)
                if cost < best[0]:
                    best, chosen = (float(cost), 0), (bh, bw, bd, ih, iw, depth)
                elif cost == best[0] and bh <= 4 and bw <= 4 and read >= best[1]:
                    best, chosen = (float(cost), read), (bh, bw, bd, ih, iw, depth)
    return chosen


def is_part_kernel(op: Op) -> bool:
    ci, window = op.in_channels, op.kernel**2
    if op.kind == "depthwise":
        return False
    return ci <= 8 or ci * window / (up(ci, 8) * up(window, 4)) >= ci / up(ci, 32)


def page_says(op: Op, name: str) -> tuple[float, float]:
    """`T` and the bytes of weights read, for a convolution, depthwise or linear layer."""
    uh, uw, rate = (2, 2, 0.25) if name == "u55-256" else (1, 2, 0.5)
    h, w, ci, co, k, s = op.height, op.width, op.in_channels, op.out_channels, op.kernel, op.stride
    linear, depthwise = op.kind == "linear", op.kind == "depthwise"
    if linear:
        tokens = h * w
        w = max(tokens // 16, ceil(sqrt(tokens)))
        w = next(side for side in range(w, tokens + 1) if tokens % side == 0)
        h = tokens // w
    rows, columns, window = c(h, s), c(w, s), k * k
    bh, bw, bd, ih, iw, depth = block_of(op, name, rows, columns, h, w)
    block = (min(bh, rows), min(bw, columns), min(bd, co))
    flat = uh == 2 and rows == 1 and k == 1 and columns % 2 == 0 and not depthwise
    unit = (1, 4) if flat else (uh, uw)
    area, deep = c(block[0], unit[0]) * c(block[1], unit[1]), c(block[2], 8)
    blocks = c(rows, unit[0]) * c(columns, unit[1]) * c(co, 8) / (area * deep)
    steps, repeats = window, 1
    if depthwise:
        steps = c(window, 4)
    elif is_part_kernel(op):
        steps, repeats = c(window, 4), c(min(ci, depth), 8)
    mac = max(32, 4 * area) * steps * deep * repeats
    if area == 1:
        mac += (2 * steps if deep == 1 else 2 * (steps - 1) * deep) * repeats
    mac *= 1 if depthwise else c(ci, depth)
    elements = block[0] * block[1] * block[2]
    out = max(ceil(rate * elements), 10 * block[2] * 32 / 256)

    plain_in, plain_out = linear or (ci <= 4 and not depthwise), linear
    first = min(h, ih) * min(w, iw) * min(ci, depth)
    arrive = 32 + burst(first, ci, w, iw, depth, plain_in, reads=True) // 8
    leave = 32 + burst(elements, co, columns, bw, bd, plain_out, reads=False) // 8
    issue = ((abs(leave - arrive) if blocks > 1 else 0) + mac + out) / 4
    paced_mac, paced_out = max(mac, issue), max(out, issue)
    if paced_mac > paced_out:
        npu = int(int(paced_mac * blocks) + paced_out)
    else:
        npu = int(paced_out * blocks + paced_mac)
    npu += arrive + leave

    counts = c(rows, block[0]), c(columns, block[1])
    slabs = 1 if depthwise else c(co, block[2])
    fetched = min(h, ih) * min(w, iw) * (ci if plain_in else up(ci, 16)) * counts[0] * counts[1] * slabs
    written = rows * columns * (co if plain_out else up(co, 16))
    moved = burst(fetched, ci, w, iw, depth, plain_in, reads=True)
    moved += burst(written, co, columns, bw, bd, plain_out, reads=False)
    part_depth = up(ci, 8) * up(window, 4) if is_part_kernel(op) else window * up(ci, 32)
    padding = part_depth * up(co, 8) - window * ci * co
    spoilt = co if part_depth > window * ci else min(co, 32) if co % 8 else 0
    if depthwise:
        encoded = 16.0 * window * c(co, 16)
    else:
        encoded = window * ci * (0.9 * co + 0.1 * spoilt) + padding / 8
    weights = (encoded + up(10 * co, 16) + 16) * counts[0] * counts[1]
    return max(npu, moved // 8, int(weights / 4)), weights


def burst(
    elements: int, channels: int, width: int, block_width: int, depth: int, plain: bool, *, reads: bool
) -> int:
    """Bytes on the SRAM port: bursts shorter than 32 B count as if they were full."""
    if not plain:
        length = block_width * (depth if width * 16 == depth else 16)
    elif channels == depth and (reads or depth <= 16):
        length = block_width * depth
    else:
        length = depth if reads else min(16, depth)
    return elements * 32 // min(32, length)


def ops() -> list[Op]:
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(120):
        side = int(rng.choice([1, 2, 4, 6, 7, 8, 12, 14, 16, 28]))
        ci, co = (8 * int(rng.integers(1, 40)) for _ in range(2))
        if rng.random() < 0.1:
            ci, co = 3, co + 5
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
        assert (terms.total[index], terms.weight_bytes[index]) == pytest.approx(page_says(op, name)), op


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
        "fits          2 C(input bytes, 1024) in steps of the input  +  2 C(4 bh bw bd, 1024)",
        "step          = K depth-first | C(K, 4) depthwise | C(K, 4) C(min(ci, 16), 8) part-kernel",
        "issue         = ( |leave - arrive| + mac + out ) / 4",
        "npu           = blocks max(mac, out, issue) + the other of mac and out + arrive + leave",
        "K ci (0.9 co + 0.1 spoilt) + padding / 8;  + 10 co + 16",
        "tiles  = C(k^2 ci, R) C(co, C)",
        "T = C(heads, M) / heads * max( MACs / 16 | 8.95 e of a softmax,  b / B_port )",
    ):
        assert line in text
