"""Maps that leave the SRAM while an op runs whose memory exceeds it.

Like Arm's compiler Vela, the model moves whole maps: the fewest bytes of operands, result, temporaries and
held maps without which the rest fits.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

from objectives.hardware.npu_passes.layer_pass import Map
from objectives.hardware.npu_passes.live_memory import map_bytes, op_bytes
from objectives.hardware.npu_passes.lowering import passes_of
from objectives.hardware.op import Op


@lru_cache(maxsize=1 << 15)
def spilt_bytes(op: Op, held_bytes: int, sram_bytes: float) -> float:
    """Bytes of the maps that leave an SRAM of `sram_bytes` while `op` runs; 0 where everything fits.

    Args:
        op: The op.
        held_bytes: Bytes that stay in memory although the op neither reads nor writes them.
        sram_bytes: Size of the SRAM.
    """
    excess = op_bytes(op) + held_bytes - sram_bytes
    if excess <= 0:
        return 0.0
    maps = [size for size in (*_maps(op), held_bytes) if size]
    sums = [sum(chosen) for count in range(1, len(maps) + 1) for chosen in combinations(maps, count)]
    return float(min((size for size in sums if size >= excess), default=excess))


def _maps(op: Op) -> tuple[int, ...]:
    """Bytes of the operands, the result and the largest temporaries."""
    heads, rows, depth, columns = op.heads, op.height, op.in_channels, op.out_channels
    match op.kind:
        case "softmax":
            wide = Map((heads, rows, columns), 32).stored_bytes
            return map_bytes(heads, rows, columns, bricks=False), wide, wide
        case "norm":
            shape = (1, op.height * op.width, columns)
            wide = Map(shape, 32).stored_bytes
            return map_bytes(*shape, bricks=False), wide, wide
        case "matmul":
            return (
                map_bytes(heads, rows, depth, bricks=False),
                map_bytes(heads, columns, depth, bricks=False),
                map_bytes(heads, rows, columns, bricks=False),
            )
    work = passes_of(op)[0]
    return work.source.stored_bytes, work.target.stored_bytes
