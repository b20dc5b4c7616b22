"""Weights from a slow memory: copied into SRAM before they are read more than once, slice by slice.

The first slice is copied while the pass before still runs; the others, while the slice before them is
computed. How much of the first copy is hidden depends on the last slice of the pass before. An op is costed
alone, therefore the pass before is a typical one, see `previous_op`. Source: Ethos-U Vela 5.2.0,
Apache-2.0, files `scheduler.cpp` and `network_performance.cpp`, with their thresholds.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from objectives.hardware.npu_passes.layer_pass import Pass
from objectives.hardware.npu_passes.lowering import IMAGE_CHANNELS
from objectives.hardware.npu_passes.machine import SPLIT_DEPTH, Machine
from objectives.hardware.npu_passes.pass_cost import PassCost, mac_block, slice_cycles
from objectives.hardware.op import Op

_TYPICAL_EXPANSION = 4
_TYPICAL_WINDOW = 3
_TYPICAL_HEADS = 2
_TYPICAL_MAP = 4


class Stream(NamedTuple):
    """Reading of the weights of a pass.

    Attributes:
        cycles: Time of the pass.
        sram_bytes: Bytes of weights written to and read from SRAM.
        weight_bytes: Bytes read from the weight memory.
        last_slice: Time of its last slice, during which the next pass may copy weights.
    """

    cycles: float
    sram_bytes: float
    weight_bytes: float
    last_slice: float


def stream(work: Pass, cost: PassCost, size: float, slack: float, machine: Machine) -> Stream:
    """Time of `work` with its weights, of `size` encoded bytes, in the weight memory.

    Args:
        work: The pass.
        cost: Its cost without weights.
        size: Encoded bytes of its weights and scales.
        slack: Cycles of the pass before, during which weights may be copied.
        machine: The NPU.
    """
    run, reads = cost.npu_cycles, cost.weight_reads
    moved = cost.sram_traffic / machine.sram
    if not work.has_weights:
        constants = cost.constant_traffic / machine.weights
        return Stream(max(run, moved, constants), 0.0, 0.0, run)
    whole = size / machine.weights + machine.weight_latency
    in_place, from_buffer = whole * reads, (size / machine.sram + machine.sram_latency) * reads
    gains = from_buffer < in_place and not (reads == 1 and whole + from_buffer > max(run, in_place))
    if not gains:
        return Stream(max(run, moved, size * reads / machine.weights), 0.0, size * reads, run)
    first, last = _slices(work, run, whole, slack, run > in_place, machine)
    copied = size * first / machine.weights + machine.weight_latency
    buffered = size * (1 - first) + size * reads
    cycles = max(
        whole - slack + last,
        run + max(copied - slack, 0.0),
        moved + buffered / machine.sram,
        size * (1 - first) / machine.weights,
    )
    return Stream(cycles, size * (1 + reads), size, last)


def _slices(
    work: Pass, run: float, whole: float, slack: float, is_bound_by_npu: bool, machine: Machine
) -> tuple[float, float]:
    """Share of the weights in the first slice, and cycles of the last slice.

    Args:
        work: The pass.
        run: Its cycles on the NPU.
        whole: Cycles of copying all its weights.
        slack: Cycles of the pass before.
        is_bound_by_npu: Whether the NPU takes longer than reading all weights in place.
        machine: The NPU.
    """
    depth = work.target.shape[2]
    least = min(SPLIT_DEPTH / depth, 1.0)
    hidden = min(slack / whole, 1.0)
    aligned = floor(hidden / least) * least
    share = 1.0 if 1.0 - aligned < least / 2 else hidden
    if is_bound_by_npu and 0.5 < share < 1.0:
        share = min(max(_up(floor(depth * 0.5), SPLIT_DEPTH) / depth, 0.5), 1.0)
    share = max(share, least)
    first = max(int(depth * share) // SPLIT_DEPTH * SPLIT_DEPTH, SPLIT_DEPTH)
    if share >= 1.0 or first >= depth:
        return 1.0, run
    block_depth = mac_block(work, machine).target[2]
    during_first = slice_cycles(work, first, machine)
    step = _up(max(int(depth * during_first / whole), SPLIT_DEPTH), block_depth)
    last = (depth - first - 1) % step + 1
    return first / depth, slice_cycles(work, last, machine)


def previous_op(op: Op) -> Op | None:
    """The op that typically runs before `op` in a network; None where nothing can be copied meanwhile."""
    height, width, channels = op.height, op.width, op.in_channels
    match op.kind:
        case "conv2d" if channels <= IMAGE_CHANNELS:
            return None
        case "conv2d" if op.window == (1, 1) and channels >= op.out_channels:
            return Op("depthwise", height, width, channels, channels, _TYPICAL_WINDOW)
        case "conv2d":
            return Op("add", height, width, channels, channels)
        case "depthwise":
            return Op(
                "conv2d", height, width, _up(channels, _TYPICAL_EXPANSION) // _TYPICAL_EXPANSION, channels
            )
        case "linear":
            return _before_linear(op)
        case "norm":
            return Op("add", height * width, 1, op.out_channels, op.out_channels)
    return None


def _before_linear(op: Op) -> Op:
    tokens, channels = op.height * op.width, op.in_channels
    if tokens == 1:
        return Op("pool", _TYPICAL_MAP, _TYPICAL_MAP, channels, channels, _TYPICAL_MAP, _TYPICAL_MAP)
    if op.fused_gelu or op.heads > 1:
        return Op("norm", tokens, 1, channels, channels)
    if channels > op.out_channels:
        return Op("linear", tokens, 1, op.out_channels, channels, fused_gelu=True)
    # The result of attention, transposed back to tokens.
    head = max(channels // _TYPICAL_HEADS, 1)
    return Op("matmul", tokens, 1, tokens, head, heads=_TYPICAL_HEADS)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
