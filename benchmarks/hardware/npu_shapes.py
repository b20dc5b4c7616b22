"""Cycles from Arm's compiler for random ops of every kind, as CSV files to fit and to test the closed form.

    python -m benchmarks.hardware.npu_shapes --seed 0 --ops 500 --csv benchmarks/hardware/npu_fit.csv
    python -m benchmarks.hardware.npu_shapes --seed 2 --ops 300 --csv benchmarks/hardware/npu_held_out.csv

Shapes are typical of networks for chips of this size: maps of 4 to 112 positions a side, 3 to 384 channels,
16 to 196 tokens. Each op stands between two 1x1 layers; weights are in on-chip MRAM at 4 B/cycle.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from objectives.hardware import Op, load_soc
from objectives.hardware.vela_compiler.probe import op_cycles
from objectives.hardware.vela_compiler.vela import system_configuration
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command

CHIPS = ("u55-128", "u55-256")
FIELDS = ("height", "width", "in_channels", "out_channels", "kernel", "stride", "heads", "fused_gelu")
CHANNELS = (
    8,
    16,
    24,
    32,
    40,
    48,
    56,
    64,
    72,
    80,
    96,
    112,
    120,
    128,
    144,
    160,
    192,
    224,
    240,
    256,
    288,
    320,
    384,
)
SIDES = (4, 5, 6, 7, 8, 10, 12, 13, 14, 16, 20, 24, 28, 32, 40, 48, 56, 80, 96, 112)
ATTENTION_SIDES = (4, 5, 6, 7, 8, 10, 12, 14)
WIDTHS = (16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 176, 192, 208, 224, 320)
MOST_ELEMENTS = 1 << 19
"""Maximum bytes of an input or output, so that the op fits a chip of this size."""


def draw(rng: np.random.Generator, count: int) -> list[Op]:
    """`count` different random ops that fit."""
    ops: dict[Op, None] = {}
    makers = tuple(_MAKERS)
    shares = np.array([_MAKERS[maker] for maker in makers])
    while len(ops) < count:
        op = makers[rng.choice(len(makers), p=shares / shares.sum())](rng)
        if max(op.input_bytes, op.output_bytes) <= MOST_ELEMENTS:
            ops[op] = None
    return list(ops)


def _one_of(rng: np.random.Generator, values: Sequence[int]) -> int:
    return values[int(rng.integers(len(values)))]


def _pointwise(rng: np.random.Generator) -> Op:
    side = _one_of(rng, SIDES)
    return Op("conv2d", side, side, _one_of(rng, CHANNELS), _one_of(rng, CHANNELS))


def _convolution(rng: np.random.Generator) -> Op:
    side, stride = _one_of(rng, SIDES), _one_of(rng, (1, 1, 2))
    return Op("conv2d", side, side, _one_of(rng, CHANNELS[:15]), _one_of(rng, CHANNELS[:15]), 3, stride)


def _stem(rng: np.random.Generator) -> Op:
    side, stride = _one_of(rng, (24, 28, 32, 96, 160, 192, 224)), _one_of(rng, (1, 2))
    return Op("conv2d", side, side, 3, _one_of(rng, CHANNELS[:5]), 3, stride)


def _patch_merging(rng: np.random.Generator) -> Op:
    side = 2 * _one_of(rng, (4, 6, 7, 8, 10, 12, 14, 16, 28))
    return Op("conv2d", side, side, _one_of(rng, CHANNELS), _one_of(rng, CHANNELS), 2, 2)


def _depthwise(rng: np.random.Generator) -> Op:
    side, channels = _one_of(rng, SIDES), _one_of(rng, CHANNELS)
    return Op(
        "depthwise", side, side, channels, channels, _one_of(rng, (3, 3, 5, 7)), _one_of(rng, (1, 1, 2))
    )


def _linear(rng: np.random.Generator) -> Op:
    tokens = _one_of(rng, [1, *(side**2 for side in ATTENTION_SIDES)])
    return Op(
        "linear",
        tokens,
        1,
        _one_of(rng, CHANNELS),
        _one_of(rng, CHANNELS),
        fused_gelu=bool(rng.integers(4) == 0),
    )


def _attention(rng: np.random.Generator) -> tuple[int, int, int]:
    tokens, heads = _one_of(rng, ATTENTION_SIDES) ** 2, _one_of(rng, (1, 2, 3, 4, 6, 8, 12))
    return tokens, heads, _one_of(rng, (16, 16, 32, 64))


def _scores(rng: np.random.Generator) -> Op:
    tokens, heads, width = _attention(rng)
    return Op("matmul", tokens, 1, width, tokens, heads=heads)


def _attend(rng: np.random.Generator) -> Op:
    tokens, heads, width = _attention(rng)
    return Op("matmul", tokens, 1, tokens, width, heads=heads)


def _softmax(rng: np.random.Generator) -> Op:
    tokens, heads, _ = _attention(rng)
    return Op("softmax", tokens, 1, tokens, tokens, heads=heads)


def _norm(rng: np.random.Generator) -> Op:
    width = _one_of(rng, WIDTHS)
    return Op("norm", _one_of(rng, ATTENTION_SIDES) ** 2, 1, width, width)


def _activation(rng: np.random.Generator) -> Op:
    side, channels = _one_of(rng, SIDES), _one_of(rng, CHANNELS)
    return Op("activation", side, side, channels, channels)


def _add(rng: np.random.Generator) -> Op:
    side, channels = _one_of(rng, SIDES), _one_of(rng, CHANNELS)
    if rng.integers(2):
        return Op("add", _one_of(rng, ATTENTION_SIDES) ** 2, 1, channels, channels)
    return Op("add", side, side, channels, channels)


def _pool(rng: np.random.Generator) -> Op:
    side, channels = _one_of(rng, (3, 4, 5, 6, 7, 8)), _one_of(rng, (*CHANNELS, 512, 1280))
    return Op("pool", side, side, channels, channels, side, side)


_MAKERS: dict[Callable[[np.random.Generator], Op], float] = {
    _pointwise: 0.26,
    _convolution: 0.13,
    _stem: 0.02,
    _patch_merging: 0.05,
    _depthwise: 0.18,
    _linear: 0.12,
    _scores: 0.04,
    _attend: 0.04,
    _softmax: 0.04,
    _norm: 0.04,
    _activation: 0.02,
    _add: 0.04,
    _pool: 0.02,
}
"""Generators of ops with their shares."""


def compiled(ops: Sequence[Op], chip: str) -> Floats:
    """Vela's cycles of each op (n,), each compiled as a network of its own."""
    system = system_configuration(load_soc(chip).npu)
    return np.array([op_cycles([op], system)[0] for op in ops], dtype=np.float64)


def write(file: Path, ops: Sequence[Op]) -> None:
    """Compiles `ops` for both chips and writes them, in a fixed order."""
    ops = sorted(ops, key=lambda op: (op.kind, *(getattr(op, name) for name in FIELDS)))
    columns = [compiled(ops, chip).astype(int) for chip in CHIPS]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["kind", *FIELDS, *(chip.replace("-", "_") for chip in CHIPS)])
        for op, *cycles in zip(ops, *columns, strict=True):
            writer.writerow([op.kind, *(int(getattr(op, name)) for name in FIELDS), *cycles])


def read(file: Path) -> tuple[list[Op], dict[str, Floats]]:
    """Ops of a file written by `write`, and their cycles (n,) by chip."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    ops = []
    for row in rows:
        numbers: dict[str, Any] = {name: int(row[name]) for name in FIELDS}
        ops.append(Op(row["kind"], **numbers | {"fused_gelu": bool(numbers["fused_gelu"])}))
    cycles = {chip: np.array([float(row[chip.replace("-", "_")]) for row in rows]) for chip in CHIPS}
    return ops, cycles


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.npu_shapes", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ops", type=int, default=300)
    parser.add_argument("--csv", type=Path, required=True)
    options = parser.parse_args()
    write(options.csv, draw(np.random.default_rng(options.seed), options.ops))


if __name__ == "__main__":
    run_command(main)
