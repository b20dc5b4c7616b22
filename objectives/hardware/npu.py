"""Arm Ethos-U55 in closed form: NPU cycles and bytes of an op, without compiling it.

The model of convolutions, depthwise convolutions and linear layers multiplies the micro-blocks of the
output by the steps each needs, bounds the result by the output stage, the SRAM port and the weight port,
and adds what the pipeline needs to fill. Everything else costs a constant per element or product. All
constants stand in the SoC file; they were fitted to Arm's compiler Vela 5.2.0 (a compiler's estimate, not
silicon) on 104 layer shapes. Equations, sources and accuracy: docs/hardware.md.

Conventions: "same" padding, activations in NHCWB16 in SRAM on both sides, weights in on-chip MRAM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from objectives.hardware.op import BoolArray, FloatArray, Op, OpArrays
from objectives.hardware.quantity import Quantity, Section, Unit


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
    # Activations in SRAM.
    sram_bandwidth: Annotated[Quantity, Unit("B/cycle")]
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
    prefetched_map: Annotated[Quantity, Unit("position", zero=True, whole=True)]
    stall_channels: Annotated[Quantity, Unit("channel", whole=True)]
    # Ops outside the MAC array's own kinds.
    matmul_cycles: Annotated[Quantity, Unit("cycle/MAC")]
    transpose_cycles: Annotated[Quantity, Unit("cycle/element", zero=True)]
    softmax_cycles: Annotated[Quantity, Unit("cycle/element")]
    norm_cycles: Annotated[Quantity, Unit("cycle/element")]
    activation_cycles: Annotated[Quantity, Unit("cycle/element")]
    fused_gelu_cycles: Annotated[Quantity, Unit("cycle/element")]
    add_cycles: Annotated[Quantity, Unit("cycle/element")]
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

    def cycles(self, ops: Sequence[Op]) -> FloatArray:
        """NPU cycles of each op inside a network.

        Args:
            ops: n ops; may be empty.

        Returns:
            Array (n,), float64, lower is better.
        """
        return op_cycles(OpArrays.of(ops), self)


@dataclass(frozen=True)
class ArrayTerms:
    """Terms of the closed form, each (n,): cycles, but for the two byte counts."""

    step: FloatArray
    mac: FloatArray
    out: FloatArray
    fill: FloatArray
    stall: FloatArray
    sram: FloatArray
    weights: FloatArray
    total: FloatArray
    sram_bytes: FloatArray
    weight_bytes: FloatArray


def op_cycles(ops: OpArrays, npu: Npu) -> FloatArray:
    """NPU cycles (n,) of ops of any kind."""
    array = array_terms(ops, npu).total
    elements = ops.output_bytes
    gelu = np.where(ops.fused_gelu, npu.fused_gelu_cycles.value * elements, 0.0)
    return np.select(
        [
            ops.is_kind("matmul"),
            ops.is_kind("softmax"),
            ops.is_kind("norm"),
            ops.is_kind("activation"),
            ops.is_kind("add"),
        ],
        [
            npu.matmul_cycles.value * ops.macs + npu.transpose_cycles.value * _transposed(ops),
            npu.softmax_cycles.value * elements,
            npu.norm_cycles.value * elements,
            npu.activation_cycles.value * elements,
            npu.add_cycles.value * elements,
        ],
        default=np.maximum(array, gelu),
    )


def sram_bytes(ops: OpArrays, npu: Npu) -> FloatArray:
    """Bytes (n,) that ops of any kind move between the NPU and SRAM, re-reads included."""
    once = ops.input_bytes + ops.output_bytes
    return np.select(
        [
            ops.is_kind("matmul"),
            ops.is_kind("softmax"),
            ops.is_kind("norm"),
            ops.is_kind("activation", "add"),
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


def weight_bytes(ops: OpArrays, npu: Npu) -> FloatArray:
    """Bytes (n,) of encoded weights and scales that the NPU reads from MRAM, each once."""
    return array_terms(ops, npu).weight_bytes


def array_terms(ops: OpArrays, npu: Npu) -> ArrayTerms:
    """The closed form for conv2d, depthwise, linear and pool; rows of other kinds carry no meaning.

    A pool is a depthwise convolution without weights, which is how the compiler lowers it.
    """
    linear, pool = ops.is_kind("linear"), ops.is_kind("pool")
    depthwise = ops.is_kind("depthwise") | pool
    rows = np.where(linear, ops.height * ops.width, ops.height)
    columns = np.where(linear, 1.0, ops.width)
    in_channels, out_channels, stride = ops.in_channels, ops.out_channels, ops.stride
    window = ops.kernel**2
    out_rows, out_columns = np.ceil(rows / stride), np.ceil(columns / stride)
    positions = out_rows * out_columns

    blocks = _micro_blocks(out_rows, out_columns, window, linear, npu)
    step = _steps(in_channels, window, linear, depthwise, npu)
    # The decoder delivers one slice of weights every so many cycles, however few blocks use it.
    decoder = np.maximum(1.0, npu.decoder_cycles.value / npu.dot_product_cycles.value / blocks)
    mac = blocks * np.ceil(out_channels / npu.micro_block_depth.value) * step * decoder
    out = positions * out_channels * npu.output_cycles.value

    slab = npu.depthwise_weight_block.value
    weights = np.where(
        depthwise,
        slab * window * np.ceil(out_channels / slab),
        npu.weight_compression.value * window * in_channels * out_channels,
    )
    weights = np.where(pool, 0.0, weights + npu.scale_bytes.value * out_channels)
    sram = _array_sram_bytes(ops, rows * columns, positions, depthwise, npu)

    fill = _fill(rows * columns, positions, in_channels, out_channels, stride, mac, out, npu)
    latency = np.where(pool, 0.0, npu.weight_latency.value)
    streams = positions > npu.prefetched_map.value
    first = weights * np.minimum(1.0, npu.stall_channels.value / out_channels)
    stall = np.where(streams, first / npu.weight_bandwidth.value + latency, 0.0)
    weight_cycles = weights / npu.weight_bandwidth.value + np.where(streams, latency, 0.0)
    sram_cycles = sram / npu.sram_bandwidth.value
    total = np.maximum(np.maximum(mac, out) + fill + stall, np.maximum(sram_cycles, weight_cycles))
    return ArrayTerms(step, mac, out, fill, stall, sram_cycles, weight_cycles, total, sram, weights)


def _micro_blocks(
    out_rows: FloatArray, out_columns: FloatArray, window: FloatArray, linear: BoolArray, npu: Npu
) -> FloatArray:
    """Micro-blocks that cover one group of output channels (n,)."""
    height, width = npu.micro_block_height.value, npu.micro_block_width.value
    # A block is laid flat over the rows of a linear layer and over a map one row high.
    flat = (out_rows == 1) & (window == 1) & (out_columns % 2 == 0)
    return np.select(
        [linear, flat],
        [np.ceil(out_rows * out_columns / (height * width)), np.ceil(out_columns / (height * width))],
        default=np.ceil(out_rows / height) * np.ceil(out_columns / width),
    )


def _steps(
    in_channels: FloatArray, window: FloatArray, linear: BoolArray, depthwise: BoolArray, npu: Npu
) -> FloatArray:
    """Cycles of one micro-block (n,) in the traversal that the compiler takes."""
    cycles, elements = npu.dot_product_cycles.value, npu.part_kernel_elements.value
    lanes, shallow = npu.dot_product_depth.value, npu.part_kernel_depth.value
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
    return np.select([depthwise, takes_part_kernel], [group, part_kernel], default=depth_first)


def _array_sram_bytes(
    ops: OpArrays, pixels: FloatArray, positions: FloatArray, depthwise: BoolArray, npu: Npu
) -> FloatArray:
    """Input, read again for every group of output channels and where windows overlap, and output (n,)."""
    group = np.where(
        positions <= npu.small_map.value,
        npu.reread_channels_small_map.value,
        npu.reread_channels_large_map.value,
    )
    rereads = np.where(depthwise, 1.0, np.ceil(ops.out_channels / group))
    halo = (1.0 + (ops.kernel - 1.0) / (npu.overlap_span.value * ops.stride)) ** 2
    read: FloatArray = pixels * ops.in_channels * rereads * np.minimum(npu.overlap_limit.value, halo)
    return read + positions * ops.out_channels


def _fill(
    pixels: FloatArray,
    positions: FloatArray,
    in_channels: FloatArray,
    out_channels: FloatArray,
    stride: FloatArray,
    mac: FloatArray,
    out: FloatArray,
    npu: Npu,
) -> FloatArray:
    """Cycles (n,) in which the first input block arrives and the last output block leaves."""
    block = np.minimum(positions, npu.fill_positions.value)
    depth = np.minimum(out_channels, npu.fill_channels.value)
    bandwidth = npu.sram_bandwidth.value
    first_input = np.minimum(pixels, npu.fill_halo.value * stride * stride * block)
    arrives = first_input * np.minimum(in_channels, npu.fill_channels.value) / bandwidth
    leaves = block * depth / bandwidth
    hidden = np.minimum(mac, out) / np.maximum(1.0, positions * out_channels / (block * depth))
    total: FloatArray = npu.fill_cycles.value + arrives + leaves + hidden
    return total


def _transposed(ops: OpArrays) -> FloatArray:
    """Elements (n,) that a matmul transposes: two matrices of the size of its second operand.

    In attention over n tokens these are Q and K before QK^T, V before and the result after AV, all n rows
    of a head's width.
    """
    return 2.0 * ops.heads * ops.in_channels * ops.out_channels
