"""Compute-in-memory macros: what every kind of them states, and what every kind can say about an op.

Weights stay in the macros (writing MRAM takes 0.1 s per MB), so their capacity is a budget over a whole
network, and writing them is a cost of deployment, not of inference. All macros in use work on one op in
parallel, each on its share of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from objectives.hardware.op import OpArrays
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.arrays import Booleans, Floats
from search_space.errors import UnknownNameError

RUNS = ("conv2d", "depthwise", "linear")
"""Kinds of ops with trained weights; a product of two activations has none to keep in the array."""

_NS_MHZ = 1e-3
"""One nanosecond at one megahertz, in cycles."""


@dataclass(frozen=True)
class CimCost:
    """What n ops cost on the macros, arrays (n,).

    Attributes:
        cycles: Without transfers over the network-on-chip.
        waits: Whether memory or the port sets the pace, not the arithmetic.
        mac_pj: Energy of the arithmetic.
        read_pj: Energy of reading weights.
        read_bytes: Weight bytes read.
        input_pj: Energy of handing inputs to the arithmetic.
        weight_bytes: Bytes that the weights occupy in all macros together.
        macro_bytes: The most of them in one macro.
    """

    cycles: Floats
    waits: Booleans
    mac_pj: Floats
    read_pj: Floats
    read_bytes: Floats
    input_pj: Floats
    weight_bytes: Floats
    macro_bytes: Floats


@dataclass(frozen=True)
class Cim(Section, ABC):
    """What the macros of every kind have (section `cim` of a SoC file).

    `buffer` holds a macro's share of a feature map that stays at the macros between two ops; there are two,
    one to read and one to write. `write_rate` is that of the whole chip.
    """

    model: str
    macros: Annotated[Quantity, Unit("macro", whole=True, zero=True)]
    capacity: Annotated[Quantity, Unit("KiB/macro")]
    buffer: Annotated[Quantity, Unit("KiB/macro", zero=True)]
    port_bandwidth: Annotated[Quantity, Unit("B/cycle")]
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    input_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    leakage: Annotated[Quantity, Unit("mW/macro", zero=True)]
    write_rate: Annotated[Quantity, Unit("MB/s")]
    write_energy: Annotated[Quantity, Unit("pJ/B")]

    UNITS: ClassVar[str]
    """Name of the quantity that says how much of a macro works at once."""

    @property
    def macro_capacity_bytes(self) -> float:
        """Bytes for weights in one macro."""
        return self.capacity.value * 1024

    @property
    def capacity_bytes(self) -> float:
        """Bytes for weights in all macros together."""
        return self.macros.value * self.macro_capacity_bytes

    @abstractmethod
    def peak(self, clock_mhz: float) -> float:
        """Multiply-accumulates per cycle with everything in every macro busy."""

    @abstractmethod
    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """Cost of whole ops on the macros.

        Args:
            ops: n ops of the kinds in `RUNS`; rows of other kinds carry no meaning.
            macros: How many macros work on each, (n,).
            clock_mhz: The clock in which cycles are counted.
        """

    def deployment_s(self, weight_bytes: float) -> float:
        """Seconds to write the weights, once."""
        return weight_bytes / (self.write_rate.value * 1e6)

    def deployment_mj(self, weight_bytes: float) -> float:
        """Energy in mJ to write the weights, once."""
        return weight_bytes * self.write_energy.value * 1e-9


@dataclass(frozen=True)
class NearMemory(Cim):
    """MRAM banks whose read is shared by several compute units.

    A read brings one word of weights into a latch; each of the compute units next to the bank multiplies it
    with the inputs of positions of its own, several one after the other, before the next word is read. So
    one weight read serves `compute_units * positions_per_read` positions. An input controller hands the
    units the windows of neighbouring outputs without repeating what they share. After the multi-unit macro
    of the H4H paper (ASP-DAC 2025). Equations and sources: docs/hardware.md.
    """

    compute_units: Annotated[Quantity, Unit("unit/macro", whole=True)]
    unit_rate: Annotated[Quantity, Unit("MAC/cycle/unit", whole=True)]
    positions_per_read: Annotated[Quantity, Unit("position/unit", whole=True)]
    read_width: Annotated[Quantity, Unit("B", whole=True)]
    read_time: Annotated[Quantity, Unit("ns")]
    read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]

    UNITS: ClassVar[str] = "compute_units"

    def peak(self, clock_mhz: float) -> float:  # noqa: ARG002
        """As `Cim.peak`."""
        return self.macros.value * self.compute_units.value * self.unit_rate.value

    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """As `Cim.cost`."""
        units = self.compute_units.value
        positions, weights = ops.positions, ops.weight_bytes
        macs = positions * weights

        computing = np.ceil(positions / units) * np.ceil(weights / (macros * self.unit_rate.value))
        rounds = np.ceil(positions / (units * self.positions_per_read.value))
        read_cycles = self.read_time.value * clock_mhz * _NS_MHZ
        reading = rounds * np.ceil(weights / (macros * self.read_width.value)) * read_cycles
        inputs = self._input_bytes(ops, macros)
        moving = (inputs + ops.output_bytes / macros) / self.port_bandwidth.value
        waiting = np.maximum(reading, moving)
        return CimCost(
            cycles=np.maximum(computing, waiting),
            waits=waiting > computing,
            mac_pj=macs * self.mac_energy.value,
            read_pj=rounds * weights * self.read_energy.value,
            read_bytes=rounds * weights,
            input_pj=macros * inputs * self.input_energy.value,
            weight_bytes=weights,
            macro_bytes=np.ceil(weights / macros),
        )

    def _input_bytes(self, ops: OpArrays, macros: Floats) -> Floats:
        """Bytes (n,) handed to the units of one macro: a window for each output position, less overlaps.

        The macros of a depthwise op share its channels out; otherwise each sees all input channels.
        """
        window = ops.depth * np.where(ops.is_kind("depthwise"), ops.out_channels / macros, 1.0)
        return ops.positions * window * overlap_factor(ops.kernel, ops.stride, self.compute_units.value)


@dataclass(frozen=True)
class InArray(Cim):
    """Arrays (tiles) that multiply where the weights lie, digital or analog.

    A tile takes `rows` inputs and gives `columns` sums each beat; a beat is one whole 8-bit activation. A
    layer lies in whole tiles: ceil(depth / rows) x ceil(out_channels / columns), a depthwise layer with as
    many channels in a tile as rows and columns allow, on its diagonal. A beat costs the energy of a whole
    tile, used or not: so a depthwise layer is dear, as in ZigZag's model (arXiv 2405.14978).
    """

    rows: Annotated[Quantity, Unit("row", whole=True)]
    columns: Annotated[Quantity, Unit("column", whole=True)]
    parallel_tiles: Annotated[Quantity, Unit("tile/macro", whole=True)]
    beat_time: Annotated[Quantity, Unit("ns")]

    UNITS: ClassVar[str] = "parallel_tiles"

    @property
    def tile_bytes(self) -> float:
        """8-bit weights of one tile."""
        return self.rows.value * self.columns.value

    @property
    def macro_capacity_bytes(self) -> float:
        """Bytes in whole tiles of one macro."""
        return super().macro_capacity_bytes // self.tile_bytes * self.tile_bytes

    def peak(self, clock_mhz: float) -> float:
        """As `Cim.peak`."""
        beats = self.beat_time.value * clock_mhz * _NS_MHZ
        return self.macros.value * self.parallel_tiles.value * self.tile_bytes / beats

    def tiles(self, ops: OpArrays) -> Floats:
        """Tiles (n,) that hold the weights of each op."""
        rows, columns = self.rows.value, self.columns.value
        packed = np.maximum(1.0, np.minimum(columns, rows // ops.kernel**2))
        alone = np.ceil(ops.kernel**2 / rows) * np.ceil(ops.out_channels / packed)
        dense = np.ceil(ops.depth / rows) * np.ceil(ops.out_channels / columns)
        return np.where(ops.is_kind("depthwise"), alone, dense)

    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """As `Cim.cost`."""
        tiles = self.tiles(ops)
        beat = self.beat_time.value * clock_mhz * _NS_MHZ
        computing = ops.positions * np.ceil(tiles / (macros * self.parallel_tiles.value)) * beat
        # Each input pixel enters a macro once, but no more of it than the windows touch.
        seen = np.minimum(ops.kernel, ops.stride) ** 2 * ops.positions
        channels = np.where(ops.is_kind("depthwise"), ops.out_channels / macros, ops.in_channels)
        inputs = seen * channels
        moving = (inputs + ops.output_bytes / macros) / self.port_bandwidth.value
        return CimCost(
            cycles=np.maximum(computing, moving) + beat,
            waits=moving > computing,
            mac_pj=ops.positions * tiles * self.tile_bytes * self.mac_energy.value,
            read_pj=np.zeros(len(ops)),
            read_bytes=np.zeros(len(ops)),
            input_pj=macros * inputs * self.input_energy.value,
            weight_bytes=tiles * self.tile_bytes,
            macro_bytes=np.ceil(tiles / macros) * self.tile_bytes,
        )


@dataclass(frozen=True)
class Digital(Section):
    """A small digital engine in each macro, for products of two activations (section `digital`).

    It takes whole attention heads: Q K^T, softmax and the product with V.
    """

    mac_rate: Annotated[Quantity, Unit("MAC/cycle/macro")]
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    softmax_cycles: Annotated[Quantity, Unit("cycle/element")]
    softmax_energy: Annotated[Quantity, Unit("pJ/element", zero=True)]

    def cost(self, ops: OpArrays, macros: Floats) -> CimCost:
        """Cost (n,) of `heads` products or softmax maps, each head in one macro.

        Args:
            ops: n ops of kind matmul or softmax.
            macros: How many macros share the heads, (n,).
        """
        softmax = ops.is_kind("softmax")
        busiest = np.ceil(ops.heads / macros) / ops.heads
        work = np.where(softmax, ops.output_bytes * self.softmax_cycles.value, ops.macs / self.mac_rate.value)
        energy = np.where(
            softmax, ops.output_bytes * self.softmax_energy.value, ops.macs * self.mac_energy.value
        )
        none = np.zeros(len(ops))
        return CimCost(work * busiest, none > 0, energy, none, none, none, none, none)


KINDS: dict[str, type[Cim]] = {"near_memory": NearMemory, "in_array": InArray}


def read_cim(data: object) -> Cim | None:
    """The section `cim` of a SoC file, of the kind that its key `model` names; None for none.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if data is None:
        return None
    if not isinstance(data, dict):
        raise ValueError(f"must be a mapping, but got {data!r:.60}")
    model = data.get("model")
    if model not in KINDS:
        raise UnknownNameError("cim.model", str(model), KINDS)
    return KINDS[str(model)].from_dict(data)


def overlap_factor(kernel: Floats, stride: Floats, units: float) -> Floats:
    """Share (n,) of the window bytes left when `units` neighbouring outputs of a row are fed together."""
    shared = (kernel + stride * (units - 1.0)) / (kernel * units)
    return np.where(stride < kernel, shared, 1.0)
