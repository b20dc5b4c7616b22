"""Encoded size of the weights of a pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from objectives.hardware.npu_passes.layer_pass import Engine, Pass
from objectives.hardware.npu_passes.machine import Machine
from objectives.hardware.npu_passes.output_block import runs_part_kernel

_STREAM_HEADER = 16
_SPOILT_CHANNELS = 32
"""Output channels that are not compressed where zeros fill the last group."""


class WeightFormat(NamedTuple):
    """Numbers that decide the size of encoded weights and where they are read.

    Attributes:
        compression: Encoded over original size where no zeros fill the last step.
        padded_compression: The same beside such zeros.
        padding_compression: Encoded over original size of the zeros.
        depthwise_block: Channels that are stored together for a depthwise convolution.
        scale_bytes: Bytes of bias and scale of an output channel.
        is_buffered: Whether weights are copied into SRAM before they are read more than once.
    """

    compression: float
    padded_compression: float
    padding_compression: float
    depthwise_block: int
    scale_bytes: float
    is_buffered: bool


def encoded_bytes(work: Pass, machine: Machine, weights: WeightFormat) -> float:
    """Bytes of the weights and scales of a pass in memory; 0 for a pass without."""
    if not work.has_weights:
        return 0.0
    window = work.window[0] * work.window[1]
    in_channels, out_channels = work.source.shape[2], work.target.shape[2]
    scales = -(-weights.scale_bytes * out_channels // 16) * 16
    if work.engine is Engine.DEPTHWISE:
        slab = weights.depthwise_block
        return slab * window * -(-out_channels // slab) + scales + _STREAM_HEADER
    trained = window * in_channels
    depth = _padded_depth(in_channels, window, machine)
    padded_channels = -(-out_channels // machine.block[2]) * machine.block[2]
    # Zeros in each step spoil the compression of all weights, those of the last group that of its neighbours.
    spoilt = out_channels if depth > trained else 0
    if padded_channels > out_channels:
        spoilt = max(spoilt, min(out_channels, _SPOILT_CHANNELS))
    size = trained * (
        weights.padded_compression * spoilt + weights.compression * (out_channels - spoilt)
    ) + weights.padding_compression * (depth * padded_channels - trained * out_channels)
    return size + scales + _STREAM_HEADER


def measured_ratio(works: Iterable[Pass], machine: Machine, weights: WeightFormat, encoded: float) -> float:
    """Ratio by which the trained weights of a network compress worse than `weights` says.

    `encoded_bytes` is linear in the two compressions of trained weights. Zeros of padding and depthwise
    weights do not depend on them.

    Args:
        works: Passes of the network.
        machine: The NPU.
        weights: Assumed compression.
        encoded: Bytes of all encoded weights, without biases and scales, as a compiler reports them.

    Returns:
        Factor on `compression` and `padded_compression` that gives `encoded`; 1 if no weights depend on them,
        and at most 0 if `encoded` is less than what does not depend on them.
    """
    assumed = weights._replace(scale_bytes=0.0)
    fixed = assumed._replace(compression=0.0, padded_compression=0.0)
    total = rest = 0.0
    for work in works:
        total += encoded_bytes(work, machine, assumed)
        rest += encoded_bytes(work, machine, fixed)
    return (encoded - rest) / (total - rest) if total > rest else 1.0


def _padded_depth(in_channels: int, window: int, machine: Machine) -> float:
    """Weights of one output channel, including the zeros that fill the last step."""
    if runs_part_kernel(in_channels, window, machine):
        shallow, elements = machine.shallow, machine.window_elements
        return shallow * -(-in_channels // shallow) * elements * -(-window // elements)
    return window * machine.lanes * -(-in_channels // machine.lanes)
