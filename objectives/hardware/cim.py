"""MRAM compute-in-memory macros of the near-memory kind: one bank, one read, several compute units.

A macro holds weights of some output channels. A read brings one word of weights into a latch; each of the
compute units next to the bank multiplies it with the inputs of positions of its own, several one after
the other, before the next word is read. So one weight read serves `compute_units * positions_per_read`
positions. An input controller hands the units the windows of neighbouring outputs without repeating what
they share. All macros work on one op in parallel, each on its share of the weights.

After the multi-unit macro of the H4H paper (ASP-DAC 2025). Equations and sources: docs/hardware.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from objectives.hardware.op import FloatArray, OpArrays
from objectives.hardware.quantity import Quantity, Section, Unit
from search_space.errors import UnknownNameError

MODELS = ("near_memory",)
RUNS = ("conv2d", "depthwise", "linear")
"""Kinds of ops with trained weights; a product of two activations has none to keep in the bank."""

_NS_MHZ = 1e-3
"""One nanosecond at one megahertz, in cycles."""


@dataclass(frozen=True)
class Cim(Section):
    """Constants of the macros (section `cim` of a SoC file)."""

    model: str
    macros: Annotated[Quantity, Unit("macro", whole=True, zero=True)]
    compute_units: Annotated[Quantity, Unit("unit/macro", whole=True)]
    unit_rate: Annotated[Quantity, Unit("MAC/cycle/unit", whole=True)]
    positions_per_read: Annotated[Quantity, Unit("position/unit", whole=True)]
    read_width: Annotated[Quantity, Unit("B", whole=True)]
    read_time: Annotated[Quantity, Unit("ns")]
    port_bandwidth: Annotated[Quantity, Unit("B/cycle")]
    capacity: Annotated[Quantity, Unit("KiB/macro")]
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    input_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    leakage: Annotated[Quantity, Unit("mW/macro", zero=True)]

    def check(self, name: str) -> None:
        """As `Section.check`; also the name of the model."""
        if self.model not in MODELS:
            raise UnknownNameError(f"{name}.model", self.model, MODELS)
        super().check(name)

    @property
    def capacity_bytes(self) -> float:
        """Weights that all macros together hold, in bytes."""
        return self.macros.value * self.capacity.value * 1024

    @property
    def peak_macs_per_cycle(self) -> float:
        """Multiply-accumulates per cycle with every unit of every macro busy."""
        return self.macros.value * self.compute_units.value * self.unit_rate.value

    @property
    def leakage_mw(self) -> float:
        """Leakage of all macros in mW; they are switched off while no op uses them."""
        return self.macros.value * self.leakage.value


@dataclass(frozen=True)
class CimCost:
    """What n ops cost on the macros, arrays (n,).

    Attributes:
        cycles: Without transfers over the network-on-chip.
        mac_pj: Energy of the compute units.
        read_pj: Energy of reading weights.
        input_pj: Energy of handing inputs to the units.
    """

    cycles: FloatArray
    mac_pj: FloatArray
    read_pj: FloatArray
    input_pj: FloatArray


def cim_cost(ops: OpArrays, cim: Cim, clock_mhz: float) -> CimCost:
    """Cost of whole ops on all macros together.

    Args:
        ops: n ops of the kinds in `RUNS`; rows of other kinds carry no meaning.
        cim: The macros.
        clock_mhz: The clock in which cycles are counted.
    """
    macros, units = cim.macros.value, cim.compute_units.value
    positions, weights = ops.positions, ops.weight_bytes
    macs = positions * weights

    computing = np.ceil(positions / units) * np.ceil(weights / (macros * cim.unit_rate.value))
    rounds = np.ceil(positions / (units * cim.positions_per_read.value))
    read_cycles = cim.read_time.value * clock_mhz * _NS_MHZ
    reading = rounds * np.ceil(weights / (macros * cim.read_width.value)) * read_cycles
    inputs = _input_bytes(ops, cim)  # of one macro
    moving = (inputs + ops.output_bytes / macros) / cim.port_bandwidth.value
    return CimCost(
        cycles=np.maximum(np.maximum(computing, reading), moving),
        mac_pj=macs * cim.mac_energy.value,
        read_pj=rounds * weights * cim.read_energy.value,
        input_pj=macros * inputs * cim.input_energy.value,
    )


def _input_bytes(ops: OpArrays, cim: Cim) -> FloatArray:
    """Bytes (n,) handed to the units of one macro: a window for each output position, less overlaps.

    The macros of a depthwise op share its channels out; otherwise each sees all input channels.
    """
    window = ops.depth * np.where(ops.is_kind("depthwise"), ops.out_channels / cim.macros.value, 1.0)
    return ops.positions * window * overlap_factor(ops.kernel, ops.stride, cim.compute_units.value)


def overlap_factor(kernel: FloatArray, stride: FloatArray, units: float) -> FloatArray:
    """Share (n,) of the window bytes left when `units` neighbouring outputs of a row are fed together."""
    shared = (kernel + stride * (units - 1.0)) / (kernel * units)
    return np.where(stride < kernel, shared, 1.0)
