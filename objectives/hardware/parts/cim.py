"""Compute-in-memory macros: near-memory and in-array models, and the cost of an op on them.

Weights stay in the macros, because writing MRAM takes 0.1 s per MB. Their capacity is therefore a budget over
a whole network, and writing them is a cost of deployment, not of inference. All macros in use work on one op
in parallel, each on its share of the weights.
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
"""Kinds of ops that macros run: those with trained weights, which products of two activations lack."""

_NS_MHZ = 1e-3
"""Cycles per nanosecond and megahertz."""


@dataclass(frozen=True)
class CimCost:
    """Cost of n ops on the macros, arrays (n,).

    Attributes:
        cycles: Time without transfers over the network-on-chip.
        waits: Whether memory or the port sets the pace rather than the arithmetic.
        mac_pj: Energy of the arithmetic.
        read_pj: Energy of reading weights.
        read_bytes: Weight bytes read.
        input_pj: Energy of delivering inputs to the arithmetic.
        weight_bytes: Bytes that the weights occupy in all macros together.
        macro_bytes: Maximum of these bytes in one macro.
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
    """Numbers that macros of every kind have (section `cim` of a SoC file).

    `buffer` holds a macro's share of a feature map that stays at the macros between two ops; each macro has
    two, one to read and one to write. `write_rate` is the rate of the whole chip.
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
    """Name of the quantity that counts the compute units, or parallel tiles, of a macro."""

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
        """Multiply-accumulates per cycle when all units of all macros are busy."""

    @abstractmethod
    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """Cost of whole ops on the macros.

        Args:
            ops: n ops of the kinds in `RUNS`; rows of other kinds are meaningless.
            macros: Number of macros that work on each op (n,).
            clock_mhz: Clock in whose cycles times are counted.
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

    A read brings one word of weights into a latch. Each compute unit next to the bank multiplies it with the
    inputs of its own positions, several one after the other, before the next word is read. One weight read
    therefore serves `compute_units * positions_per_read` positions. An input controller delivers the windows
    of neighbouring outputs to the units without repeating shared inputs. The model follows the multi-unit
    macro of the H4H paper (ASP-DAC 2025). Equations and sources: docs/explanation/chip-model.md.
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
        """Bytes (n,) delivered to the units of one macro: a window for each output position, minus overlaps.

        The macros divide the channels of a depthwise op; of any other op each macro reads all input channels.
        """
        window = ops.depth * np.where(ops.is_kind("depthwise"), ops.out_channels / macros, 1.0)
        return ops.positions * window * overlap_factor(ops.kernel, ops.stride, self.compute_units.value)


@dataclass(frozen=True)
class InArray(Cim):
    """Arrays (tiles), digital or analog, that multiply in the cells that store the weights.

    In each beat, the time of one 8-bit activation, a tile takes `rows` inputs and computes `columns` sums. A
    layer occupies whole tiles: ceil(depth / rows) x ceil(out_channels / columns). A depthwise layer lies on
    the
        diagonal
    of its tiles, with as many channels per tile as rows and columns allow. A beat costs the energy of a whole
    tile, used or not, which makes depthwise layers expensive, as in ZigZag's model (arXiv 2405.14978).
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
        """Bytes for weights in the whole tiles of one macro."""
        return super().macro_capacity_bytes // self.tile_bytes * self.tile_bytes

    def peak(self, clock_mhz: float) -> float:
        """As `Cim.peak`."""
        beats = self.beat_time.value * clock_mhz * _NS_MHZ
        return self.macros.value * self.parallel_tiles.value * self.tile_bytes / beats

    def tiles(self, ops: OpArrays) -> Floats:
        """Tiles (n,) that hold the weights of each op."""
        rows, columns = self.rows.value, self.columns.value
        packed = np.maximum(1.0, np.minimum(columns, rows // ops.kernel**2))
        diagonal = np.ceil(ops.kernel**2 / rows) * np.ceil(ops.out_channels / packed)
        dense = np.ceil(ops.depth / rows) * np.ceil(ops.out_channels / columns)
        return np.where(ops.is_kind("depthwise"), diagonal, dense)

    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """As `Cim.cost`."""
        tiles = self.tiles(ops)
        beat = self.beat_time.value * clock_mhz * _NS_MHZ
        computing = ops.positions * np.ceil(tiles / (macros * self.parallel_tiles.value)) * beat
        # Each input pixel enters a macro once, if a window touches it.
        touched = np.minimum(ops.kernel, ops.stride) ** 2 * ops.positions
        channels = np.where(ops.is_kind("depthwise"), ops.out_channels / macros, ops.in_channels)
        inputs = touched * channels
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
    """A small digital engine in each macro for products of two activations (section `digital`).

    It runs whole attention heads: Q K^T, softmax and the product with V.
    """

    mac_rate: Annotated[Quantity, Unit("MAC/cycle/macro")]
    mac_energy: Annotated[Quantity, Unit("pJ/MAC")]
    softmax_cycles: Annotated[Quantity, Unit("cycle/element")]
    softmax_energy: Annotated[Quantity, Unit("pJ/element", zero=True)]

    def cost(self, ops: OpArrays, macros: Floats) -> CimCost:
        """Cost (n,) of products or softmax maps of several heads, each head in one macro.

        Args:
            ops: n ops of kind matmul or softmax.
            macros: Number of macros that share the heads (n,).
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
    """Reads the section `cim` of a SoC file, whose key `model` names the kind; None for an absent section.

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
    """Share (n,) of the window bytes to deliver when `units` neighbouring outputs of a row share inputs."""
    shared = (kernel + stride * (units - 1.0)) / (kernel * units)
    return np.where(stride < kernel, shared, 1.0)
