"""Encoded size of the weights of a pass."""

from __future__ import annotations

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


def _padded_depth(in_channels: int, window: int, machine: Machine) -> float:
    """Weights of one output channel, including the zeros that fill the last step."""
    if runs_part_kernel(in_channels, window, machine):
        shallow, elements = machine.shallow, machine.window_elements
        return shallow * -(-in_channels // shallow) * elements * -(-window // elements)
    return window * machine.lanes * -(-in_channels // machine.lanes)
