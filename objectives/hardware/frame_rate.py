"""Frames per second and average power of a network that runs once for every frame.

One frame after the other, the rate is the reciprocal of the latency. Over several frames, NPU and macros form
a pipeline: while the macros work on one frame, the NPU works on another. Frames do not depend on each other,
so each resource can be busy all the time, and the busiest one decides (the resource bound of modulo
scheduling: Rau, "Iterative Modulo Scheduling", MICRO-27, 1994).

At a lower rate the chip sleeps between frames. With energy E and latency L of an inference and rate f:

    power = E * f + sleep power * (1 - L * f)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from objectives.hardware.cost_model import CostModel, NetworkCost
from objectives.hardware.soc import SoC
from search_space.arrays import Floats

MS_PER_S = 1e3

NPU, MACROS, NETWORK, SRAM, HAND_OVER = "NPU", "macros", "network", "SRAM port", "hand-over"
RESOURCES = (NPU, MACROS, NETWORK, SRAM, HAND_OVER)
"""Parts of a chip that work on one thing at a time. Hand-overs occupy the CPU that answers the interrupts."""


@dataclass(frozen=True)
class Throughput:
    """Frames per second with and without a pipeline over frames.

    Attributes:
        latency_ms: Time of one inference.
        busy_ms: Time for which one inference occupies each of `RESOURCES`.
    """

    latency_ms: float
    busy_ms: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """The busiest resource."""
        return max(RESOURCES, key=lambda name: self.busy_ms[name])

    @property
    def interval_ms(self) -> float:
        """Time between the starts of two frames in the pipeline."""
        return self.busy_ms[self.bottleneck]

    @property
    def frames_in_flight(self) -> int:
        """Least number of frames in progress at once that reaches the interval."""
        return math.ceil(self.latency_ms / self.interval_ms * (1 - 1e-9))

    @property
    def sequential_fps(self) -> float:
        """Frames per second, one after the other."""
        return MS_PER_S / self.latency_ms

    @property
    def pipelined_fps(self) -> float:
        """Most frames per second of the pipeline."""
        return MS_PER_S / self.interval_ms

    def utilisation(self, resource: str) -> float:
        """Share of the latency for which a resource is busy, 0 to 1."""
        return self.busy_ms[resource] / self.latency_ms


def throughput(cost: NetworkCost, costs: CostModel, spilt_bytes: float = 0.0) -> Throughput:
    """Frames per second of a network in its mapping, which need not be the one of most frames per second.

    Args:
        cost: Cost of the network by `costs`, with at least one op.
        costs: Model of the SoC.
        spilt_bytes: Bytes of activations beyond the SRAM, if the model spills. The NPU waits for them, and
            each crosses the port of the SRAM twice.
    """
    soc, waiting = costs.soc, 0.0 if costs.spill is None else spilt_bytes * costs.spill.cycles_per_byte
    moved = sum(op.sram_bytes for op in cost.ops) + (2 * spilt_bytes if costs.spill is not None else 0.0)
    sram = moved / soc.npu.sram_bytes_per_cycle if soc.has_npu else 0.0
    cycles = {
        NPU: sum(op.npu_cycles + op.tail_cycles for op in cost.ops) + waiting,
        MACROS: sum(op.cim_cycles for op in cost.ops),
        NETWORK: sum(op.transfer_cycles for op in cost.ops),
        SRAM: sram,
        HAND_OVER: sum(op.handover_cycles for op in cost.ops),
    }
    latency_ms = cost.latency_ms + waiting / soc.cycles_per_ms
    return Throughput(latency_ms, {name: count / soc.cycles_per_ms for name, count in cycles.items()})


def sleep_mw(soc: SoC) -> float:
    """Power in mW between frames.

    SRAM and weight store keep their content, macros are as gated as while they are idle. The NPU has its
    static power unless the chip file states less. MRAM keeps weights without power, but its leakage counts as
    long as the file states one.
    """
    memory, npu = soc.memory, 0.0
    if soc.has_npu:
        npu = (soc.npu.sleep_power or soc.npu.static_power).value
    store = memory.weight_store.leakage_mw if memory.weight_store is not None else 0.0
    sram = (memory.sram_retention or memory.sram_leakage).value * memory.sram_capacity.value
    macros = soc.cim.static_mw if soc.cim is not None else 0.0
    return npu + sram + store + macros


def average_mw(soc: SoC, latency_ms: Floats, energy_mj: Floats, fps: float) -> Floats:
    """Average power in mW at a frame rate.

    Where an inference takes longer than a frame, the chip never sleeps and falls behind.

    Args:
        soc: The chip.
        latency_ms: Latency of an inference (n,).
        energy_mj: Energy of an inference (n,).
        fps: Frames per second.
    """
    asleep = np.maximum(0.0, 1.0 - latency_ms * fps / MS_PER_S)
    return energy_mj * fps + sleep_mw(soc) * asleep
