"""NPU in closed form: cycles and bytes of an op on an Arm Ethos-U55, without compiling it.

For convolutions, depthwise convolutions and linear layers the model multiplies the micro-blocks of the output
by the steps that each needs, bounds the result by the output stage, the SRAM port and the weight port, and
adds the time to fill the pipeline. All other kinds are sums of constants per op, row, element or product. All
constants are in the SoC file. They were fitted to Arm's compiler Vela 5.2.0, which is an estimate and not
silicon. Equations, sources and accuracy: docs/explanation/npu-model.md.

Conventions: "same" padding, activations in NHCWB16 in SRAM on both sides, weights in on-chip MRAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from math import isqrt
from typing import Annotated, NoReturn

import numpy as np

from objectives.hardware.op import Op, OpArrays
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError


@dataclass(frozen=True)
class Npu(Section):
    """Constants of one Ethos-U55 configuration (section `npu` of a SoC file)."""

    clock: Annotated[Quantity, Unit("MHz")]
    # Structure of the MAC array.
    micro_block_height: Annotated[Quantity, Unit("position", whole=True)]
    micro_block_width: Annotated[Quantity, Unit("position", whole=True)]
    micro_block_depth: Annotated[Quantity, Unit("channel", whole=True)]
    dot_product_depth: Annotated[Quantity, Unit("channel", whole=True)]
    dot_product_cycles: Annotated[Quantity, Unit("cycle")]
    part_kernel_elements: Annotated[Quantity, Unit("element", whole=True)]
    part_kernel_depth: Annotated[Quantity, Unit("channel", whole=True)]
    decoder_cycles: Annotated[Quantity, Unit("cycle")]
    output_cycles: Annotated[Quantity, Unit("cycle/element")]
    # Weights.
    weight_bandwidth: Annotated[Quantity, Unit("B/cycle")]
    weight_latency: Annotated[Quantity, Unit("cycle", zero=True)]
    weight_compression: Annotated[Quantity, Unit("B/B")]
    scale_bytes: Annotated[Quantity, Unit("B/channel", zero=True)]
    depthwise_weight_block: Annotated[Quantity, Unit("channel", whole=True)]
    padded_compression: Annotated[Quantity, Unit("B/B")]
    padding_compression: Annotated[Quantity, Unit("B/B", zero=True)]
    # Activations in SRAM.
    sram_bandwidth: Annotated[Quantity, Unit("B/cycle")]
    sram_brick: Annotated[Quantity, Unit("channel", whole=True)]
    block_elements: Annotated[Quantity, Unit("element", whole=True)]
    small_map: Annotated[Quantity, Unit("position", whole=True)]
    reread_channels_small_map: Annotated[Quantity, Unit("channel", whole=True)]
    reread_channels_large_map: Annotated[Quantity, Unit("channel", whole=True)]
    overlap_span: Annotated[Quantity, Unit("position")]
    overlap_limit: Annotated[Quantity, Unit("B/B")]
    # Filling and stalling of the pipeline.
    fill_cycles: Annotated[Quantity, Unit("cycle", zero=True)]
    fill_positions: Annotated[Quantity, Unit("position", whole=True)]
    fill_channels: Annotated[Quantity, Unit("channel", whole=True)]
    fill_halo: Annotated[Quantity, Unit("position/position")]
    fill_elements: Annotated[Quantity, Unit("element", whole=True)]
    prefetched_map: Annotated[Quantity, Unit("position", zero=True, whole=True)]
    stall_map: Annotated[Quantity, Unit("position", zero=True, whole=True)]
    stall_channels: Annotated[Quantity, Unit("channel", whole=True)]
    # Ops that are not convolutions or linear layers.
    matmul_cycles: Annotated[Quantity, Unit("cycle/MAC")]
    matmul_row_cycles: Annotated[Quantity, Unit("cycle/element", zero=True)]
    matmul_column_cycles: Annotated[Quantity, Unit("cycle/column", zero=True)]
    matmul_idle_cycles: Annotated[Quantity, Unit("cycle/MAC", zero=True)]
    matmul_heads: Annotated[Quantity, Unit("head", whole=True)]
    softmax_fixed_cycles: Annotated[Quantity, Unit("cycle", zero=True)]
    softmax_row_cycles: Annotated[Quantity, Unit("cycle/row", zero=True)]
    softmax_cycles: Annotated[Quantity, Unit("cycle/element")]
    softmax_brick_cycles: Annotated[Quantity, Unit("cycle/element", zero=True)]
    norm_fixed_cycles: Annotated[Quantity, Unit("cycle", zero=True)]
    norm_cycles: Annotated[Quantity, Unit("cycle/element")]
    norm_brick_cycles: Annotated[Quantity, Unit("cycle/element", zero=True)]
    activation_fixed_cycles: Annotated[Quantity, Unit("cycle", zero=True)]
    activation_cycles: Annotated[Quantity, Unit("cycle/element")]
    fused_gelu_cycles: Annotated[Quantity, Unit("cycle/element")]
    add_cycles: Annotated[Quantity, Unit("cycle/element")]
    pool_fixed_cycles: Annotated[Quantity, Unit("cycle", zero=True)]
    pool_cycles: Annotated[Quantity, Unit("cycle/element")]
    matmul_sram_bytes: Annotated[Quantity, Unit("B/MAC")]
    softmax_sram_bytes: Annotated[Quantity, Unit("B/element")]
    norm_sram_bytes: Annotated[Quantity, Unit("B/element")]
    # Energy.
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    static_energy: Annotated[Quantity, Unit("pJ/cycle", zero=True)]

    @property
    def peak_macs_per_cycle(self) -> float:
        """Multiply-accumulates per cycle with every multiplier busy."""
        block = self.micro_block_height.value * self.micro_block_width.value * self.micro_block_depth.value
        return block * self.dot_product_depth.value / self.dot_product_cycles.value

    def cycles(self, ops: Sequence[Op]) -> Floats:
        """NPU cycles of each op inside a network.

        Args:
            ops: n ops; may be empty.

        Returns:
            Array (n,), float64, lower is better.
        """
        return op_cycles(OpArrays.of(ops), self)


class NoNpuError(H4HError):
    """A chip without an NPU is used as if it had one."""


class NoNpu(Npu):
    """Stand-in for the NPU of a chip without one; reading any of its numbers raises an error."""

    def __init__(self) -> None:
        """Sets no field, so that reading one calls `__getattr__`."""

    def __getattr__(self, name: str) -> NoReturn:
        if name not in {field.name for field in fields(Npu)}:
            raise AttributeError(name)
        raise NoNpuError(
            f"npu.{name} is needed, but the chip has no NPU; add a section `npu` to its file, such as that "
            f"of `base: u55-256`"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoNpu)

    def __hash__(self) -> int:
        return hash(NoNpu)

    def __repr__(self) -> str:
        return "NoNpu()"


@dataclass(frozen=True)
class ArrayTerms:
    """Terms of the closed form, each (n,): cycles, except for the two byte counts."""

    step: Floats
    mac: Floats
    out: Floats
    fill: Floats
    stall: Floats
    sram: Floats
    weights: Floats
    total: Floats
    sram_bytes: Floats
    weight_bytes: Floats


def op_cycles(ops: OpArrays, npu: Npu) -> Floats:
    """NPU cycles (n,) of ops of any kind."""
    array = array_terms(ops, npu).total
    elements = ops.output_bytes
    bricks = elements / ops.out_channels * _in_bricks(ops.out_channels, npu)
    gelu = np.where(ops.fused_gelu, npu.fused_gelu_cycles.value * elements, 0.0)
    return np.select(
        [
            ops.is_kind("matmul"),
            ops.is_kind("softmax"),
            ops.is_kind("norm"),
            ops.is_kind("activation"),
            ops.is_kind("add"),
            ops.is_kind("pool"),
        ],
        [
            _matmul_cycles(ops, npu),
            npu.softmax_fixed_cycles.value
            + npu.softmax_row_cycles.value * ops.heads * ops.height
            + npu.softmax_cycles.value * elements
            + npu.softmax_brick_cycles.value * bricks,
            npu.norm_fixed_cycles.value
            + npu.norm_cycles.value * elements
            + npu.norm_brick_cycles.value * bricks,
            npu.activation_fixed_cycles.value + npu.activation_cycles.value * elements,
            npu.add_cycles.value * bricks,
            npu.pool_fixed_cycles.value + npu.pool_cycles.value * elements * ops.kernel**2,
        ],
        default=np.maximum(array, gelu),
    )


def _matmul_cycles(ops: OpArrays, npu: Npu) -> Floats:
    """Cycles (n,) of products of activations, one output column after the other, transposes included.

    Columns of all heads are computed together; with fewer than `matmul_heads` heads some lanes are idle.
    """
    idle = np.maximum(0.0, npu.matmul_heads.value - ops.heads) * ops.macs / ops.heads
    return (
        npu.matmul_cycles.value * ops.macs
        + npu.matmul_row_cycles.value * ops.output_bytes
        + npu.matmul_column_cycles.value * ops.out_channels
        + npu.matmul_idle_cycles.value * idle
    )


def sram_bytes(ops: OpArrays, npu: Npu) -> Floats:
    """Bytes (n,) that ops of any kind move between NPU and SRAM, repeated reads included."""
    once = ops.input_bytes + ops.output_bytes
    return np.select(
        [
            ops.is_kind("matmul"),
            ops.is_kind("softmax"),
            ops.is_kind("norm"),
            ops.is_kind("activation", "add", "pool"),
        ],
        [
            # A transpose reads and writes each of its elements.
            npu.matmul_sram_bytes.value * ops.macs + 2.0 * _transposed(ops),
            npu.softmax_sram_bytes.value * ops.output_bytes,
            npu.norm_sram_bytes.value * ops.output_bytes,
            once,
        ],
        default=array_terms(ops, npu).sram_bytes,
    )


def weight_bytes(ops: OpArrays, npu: Npu) -> Floats:
    """Bytes (n,) of encoded weights and scales that the NPU reads from MRAM, repeated reads included."""
    trained = ops.is_kind("conv2d", "depthwise", "linear")
    return np.where(trained, array_terms(ops, npu).weight_bytes, 0.0)


def array_terms(ops: OpArrays, npu: Npu) -> ArrayTerms:
    """The closed form for conv2d, depthwise and linear; rows of other kinds are meaningless."""
    linear, depthwise = ops.is_kind("linear"), ops.is_kind("depthwise")
    tokens = ops.height * ops.width
    # The compiler arranges the tokens of a linear layer as a map that is as square as possible.
    rows = np.where(linear, _short_side(tokens, linear), ops.height)
    columns = np.where(linear, tokens / rows, ops.width)
    in_channels, out_channels, stride = ops.in_channels, ops.out_channels, ops.stride
    window = ops.kernel**2
    out_rows, out_columns = np.ceil(rows / stride), np.ceil(columns / stride)
    positions = out_rows * out_columns

    blocks = _micro_blocks(out_rows, out_columns, window, npu)
    group, depth_first, part_kernel, takes_part_kernel = _steps(in_channels, window, linear, npu)
    step = np.select([depthwise, takes_part_kernel], [group, part_kernel], default=depth_first)
    # The decoder delivers one slice of weights per `decoder_cycles`, however few blocks use it.
    decoder = np.maximum(1.0, npu.decoder_cycles.value / npu.dot_product_cycles.value / blocks)
    mac = blocks * np.ceil(out_channels / npu.micro_block_depth.value) * step * decoder
    out = positions * out_channels * npu.output_cycles.value

    scales = npu.scale_bytes.value * out_channels
    slab = npu.depthwise_weight_block.value
    packed = slab * window * np.ceil(out_channels / slab)
    trained = window * in_channels * out_channels
    padded = _padded_depth(in_channels, window, takes_part_kernel, npu) * out_channels
    weights = np.where(depthwise, packed, _encoded(trained, padded, npu)) + scales
    weights = weights * _weight_reads(positions, out_channels, depthwise, npu)
    sram = _array_sram_bytes(ops, tokens, positions, depthwise, npu)

    fill = _fill(tokens, positions, depthwise, in_channels, out_channels, stride, mac, out, npu)
    first = np.where(depthwise, packed, npu.weight_compression.value * trained) + scales
    first = first * np.minimum(1.0, npu.stall_channels.value / out_channels)
    latency = npu.weight_latency.value
    stall = np.where(positions > npu.stall_map.value, first / npu.weight_bandwidth.value + latency, 0.0)
    streams = positions > npu.prefetched_map.value
    weight_cycles = weights / npu.weight_bandwidth.value + np.where(streams, latency, 0.0)
    sram_cycles = sram / npu.sram_bandwidth.value
    total = np.maximum(np.maximum(mac, out) + fill + stall, np.maximum(sram_cycles, weight_cycles))
    return ArrayTerms(step, mac, out, fill, stall, sram_cycles, weight_cycles, total, sram, weights)


def _short_side(tokens: Floats, linear: Booleans) -> Floats:
    """Shorter side (n,) of the squarest map of `tokens` positions; 1 for ops that are not linear."""
    distinct, place = np.unique(np.where(linear, tokens, 1.0), return_inverse=True)
    return np.array([_short_factor(int(count)) for count in distinct], dtype=np.float64)[place]


@lru_cache(maxsize=1 << 12)
def _short_factor(count: int) -> int:
    return next(side for side in range(isqrt(count), 0, -1) if count % side == 0)


def _micro_blocks(out_rows: Floats, out_columns: Floats, window: Floats, npu: Npu) -> Floats:
    """Micro-blocks (n,) that cover one group of output channels."""
    height, width = npu.micro_block_height.value, npu.micro_block_width.value
    # A block lies flat over a map of one row.
    flat = (out_rows == 1) & (window == 1) & (out_columns % 2 == 0)
    blocks: Floats = np.where(
        flat,
        np.ceil(out_columns / (height * width)),
        np.ceil(out_rows / height) * np.ceil(out_columns / width),
    )
    return blocks


def _steps(
    in_channels: Floats, window: Floats, linear: Booleans, npu: Npu
) -> tuple[Floats, Floats, Floats, Booleans]:
    """Cycles (n,) per block and eight output channels: depthwise, depth-first, part-kernel.

    The last result is the mask of the ops that run part-kernel, because that uses more multipliers.
    """
    elements, shallow = npu.part_kernel_elements.value, npu.part_kernel_depth.value
    lanes, cycles = npu.dot_product_depth.value, npu.dot_product_cycles.value
    group = cycles * np.ceil(window / elements)
    depth_first = cycles * window * np.ceil(in_channels / lanes)
    part_kernel = np.where(
        in_channels <= shallow, group, 2.0 * group * np.ceil(in_channels / (2.0 * shallow))
    )
    depth_use = in_channels / (lanes * np.ceil(in_channels / lanes))
    part_use = (
        in_channels
        * window
        / (shallow * np.ceil(in_channels / shallow) * elements * np.ceil(window / elements))
    )
    takes_part_kernel = ~linear & ((in_channels <= shallow) | (part_use > depth_use))
    return group, depth_first, part_kernel, takes_part_kernel


def _padded_depth(in_channels: Floats, window: Floats, takes_part_kernel: Booleans, npu: Npu) -> Floats:
    """Weights (n,) of one output channel, including the zeros that fill the last step."""
    elements, shallow = npu.part_kernel_elements.value, npu.part_kernel_depth.value
    lanes = npu.dot_product_depth.value
    part = shallow * np.ceil(in_channels / shallow) * elements * np.ceil(window / elements)
    padded: Floats = np.where(takes_part_kernel, part, window * lanes * np.ceil(in_channels / lanes))
    return padded


def _encoded(trained: Floats, padded: Floats, npu: Npu) -> Floats:
    """Bytes (n,) of the compressed weights; padding zeros worsen the compression of the other weights."""
    with_padding = npu.padded_compression.value * trained + npu.padding_compression.value * (padded - trained)
    encoded: Floats = np.where(padded > trained, with_padding, npu.weight_compression.value * trained)
    return encoded


def _in_bricks(channels: Floats, npu: Npu) -> Floats:
    """Channels (n,), rounded up to whole bricks of the activation format."""
    brick = npu.sram_brick.value
    padded: Floats = brick * np.ceil(channels / brick)
    return padded


def _weight_reads(positions: Floats, out_channels: Floats, depthwise: Booleans, npu: Npu) -> Floats:
    """Reads (n,) of all weights: one per block of positions that the accumulators hold."""
    deepest = np.where(depthwise, npu.depthwise_weight_block.value, npu.reread_channels_large_map.value)
    elements = positions * np.minimum(out_channels, deepest)
    reads: Floats = np.maximum(1.0, np.ceil(elements / npu.block_elements.value))
    return reads


def _array_sram_bytes(
    ops: OpArrays, pixels: Floats, positions: Floats, depthwise: Booleans, npu: Npu
) -> Floats:
    """Bytes (n,) of the output and of the input, which is read per group of output channels with overlaps."""
    group = np.where(
        positions <= npu.small_map.value,
        npu.reread_channels_small_map.value,
        npu.reread_channels_large_map.value,
    )
    rereads = np.where(depthwise, 1.0, np.ceil(ops.out_channels / group))
    halo = (1.0 + (ops.kernel - 1.0) / (npu.overlap_span.value * ops.stride)) ** 2
    read: Floats = (
        pixels * _in_bricks(ops.in_channels, npu) * rereads * np.minimum(npu.overlap_limit.value, halo)
    )
    return read + positions * _in_bricks(ops.out_channels, npu)


def _fill(
    pixels: Floats,
    positions: Floats,
    depthwise: Booleans,
    in_channels: Floats,
    out_channels: Floats,
    stride: Floats,
    mac: Floats,
    out: Floats,
    npu: Npu,
) -> Floats:
    """Cycles (n,) until the first input block has arrived, and for the last output block to leave."""
    block = np.minimum(positions, npu.fill_positions.value)
    # A small map is one block, which is deeper. Depthwise keeps to a slab except on the smallest maps.
    slab = np.where(
        positions <= npu.prefetched_map.value,
        npu.reread_channels_small_map.value,
        npu.depthwise_weight_block.value,
    )
    deepest = np.where(depthwise, slab, npu.fill_elements.value / block)
    deepest = np.where(positions <= npu.stall_map.value, deepest, npu.fill_channels.value)
    depth = np.minimum(out_channels, deepest)
    in_depth = np.where(depthwise, depth, np.minimum(in_channels, npu.fill_channels.value))
    bandwidth = npu.sram_bandwidth.value
    first_input = np.minimum(pixels, npu.fill_halo.value * stride * stride * block)
    arrives = first_input * in_depth / bandwidth
    leaves = block * depth / bandwidth
    hidden = np.minimum(mac, out) / np.maximum(1.0, positions * out_channels / (block * depth))
    total: Floats = npu.fill_cycles.value + arrives + leaves + hidden
    return total


def _transposed(ops: OpArrays) -> Floats:
    """Elements (n,) that a matmul transposes: two matrices of the size of its second operand.

    In attention over n tokens these are Q and K before QK^T, V before AV and its result after, all with n
    rows of the width of a head.
    """
    return 2.0 * ops.heads * ops.in_channels * ops.out_channels
