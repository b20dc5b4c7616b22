"""Memory that an op needs while it runs: operands, result and temporaries, as the compiler keeps them.

Maps of convolutions take whole bricks of 16 channels. Softmax and layer norm keep maps of 32 bits, a product
of activations one of 32 bits for the column that it works on. A sum overwrites one of its operands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from objectives.hardware.npu_passes.attention import is_attend
from objectives.hardware.npu_passes.layer_pass import Map
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.npu_passes.machine import BRICK
from objectives.hardware.op import Op


@lru_cache(maxsize=1 << 15)
def op_bytes(op: Op) -> int:
    """Peak bytes of SRAM for the operands, the result and the temporaries of `op`."""
    return _PEAKS.get(op.kind, _ends)(op)


def map_bytes(height: int, width: int, channels: int, *, bricks: bool) -> int:
    """Bytes of an int8 map in SRAM."""
    return Map((height, width, channels), bricks=bricks).stored_bytes


def _ends(op: Op) -> int:
    """Operand and result of an op of one pass."""
    work = passes_of(op)[0]
    return work.source.stored_bytes + work.target.stored_bytes


def _softmax(op: Op) -> int:
    """Scores become exponentials of 32 bits, which are kept until they are divided by their sums."""
    shape = (op.heads, op.height, op.out_channels)
    rows = (op.heads, op.height, 1)
    scores = map_bytes(*shape, bricks=False)
    wide, wide_plain = Map(shape, 32).stored_bytes, Map(shape, 32, bricks=False).stored_bytes
    number = Map(rows, 32).stored_bytes
    packed = Map(rows, 32, bricks=op.heads * op.height <= BRICK).stored_bytes
    return max(
        scores + map_bytes(*rows, bricks=False) + wide,
        wide + wide_plain + packed,
        wide + packed + 3 * number,
        2 * wide + 2 * packed,
    )


def _norm(op: Op) -> int:
    """The input is kept to the end; the squared differences take two maps of 32 bits."""
    shape = (1, op.height * op.width, op.out_channels)
    kept = map_bytes(*shape, bricks=False) + map_bytes(1, shape[1], 1, bricks=False)
    wide, wide_plain = Map(shape, 32).stored_bytes, Map(shape, 32, bricks=False).stored_bytes
    means = Map((1, shape[1], 1), 32, bricks=shape[1] <= BRICK).stored_bytes
    return kept + max(2 * wide, wide + wide_plain + means)


def _product(op: Op) -> int:
    """Both operands, the result and the products of one column; before QK^T the joint projection as well."""
    heads, rows, depth, columns = op.heads, op.height, op.in_channels, op.out_channels
    column = Map((heads, rows, depth + 1), 32, bricks=False).stored_bytes
    result = map_bytes(heads, rows, columns, bricks=False)
    if is_attend(op):
        return (
            map_bytes(heads, rows, depth, bricks=False)
            + map_bytes(heads, columns, depth, bricks=False)
            + result
            + column
        )
    joint = map_bytes(3 * heads, rows, depth, bricks=False)
    keys_and_values = 2 * map_bytes(heads, columns, depth, bricks=False)
    return joint + max(joint, keys_and_values + result + column)


def _largest_pass(op: Op) -> int:
    """Operand and result of the largest of several passes."""
    return max(work.source.stored_bytes + work.target.stored_bytes for work in passes_of(op))


def _multiplied(op: Op) -> int:
    """The input and all multiples, or these before and after a transpose."""
    source, target = map_bytes(op.height, op.width, op.in_channels, bricks=True), op.output_bytes
    return max(source + target, 2 * target)


def _interpolated(op: Op) -> int:
    """The input with its edges repeated, and the result; what it is a part of counts elsewhere."""
    source = map_bytes(op.height + 2, op.width + 2, op.in_channels, bricks=False)
    return source + map_bytes(*op.out_size, op.in_channels, bricks=True)


def _copied(op: Op) -> int:
    """The map to copy; its place in the larger one counts with that."""
    return map_bytes(op.height, op.width, op.out_channels, bricks=True)


def _padded(op: Op) -> int:
    """The padded map, in which the inner one lies already."""
    return map_bytes(*op.out_size, op.out_channels, bricks=True)


_PEAKS: dict[str, Callable[[Op], int]] = {
    "matmul": _product,
    "norm": _norm,
    "softmax": _softmax,
    "resize": _largest_pass,
    "bilinear": _interpolated,
    "copy": _copied,
    "depth_multiplier": _multiplied,
    "pad": _padded,
}
"""Kinds of ops whose peak is not that of operand and result."""
