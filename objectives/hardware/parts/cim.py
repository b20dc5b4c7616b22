"""Compute-in-memory macros: near-memory and in-array models, and the cost of an op on them.

Weights stay in the macros, because writing MRAM takes 0.1 s per MB. Their capacity is therefore a budget over
a whole network, and writing them is a cost of deployment, not of inference. All macros in use work on one op
in parallel, each on its share of the weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, ClassVar

import numpy as np

from objectives.hardware.op import OpArrays
from objectives.hardware.parts.buffer_pieces import Pieces
from objectives.hardware.parts.loop_nest import Share, Structure, best_nest
from objectives.hardware.parts.sourced_number import Quantity, Section, Unit, check_section
from search_space.arrays import Booleans, Floats
from search_space.errors import DocumentError, UnknownNameError

RUNS = ("conv2d", "depthwise", "linear")
"""Kinds of ops that macros run: those with trained weights, which products of two activations lack."""

_NS_MHZ = 1e-3
"""Cycles per nanosecond and megahertz."""


@dataclass(frozen=True)
class CimCost:
    """Cost of n ops on the macros, arrays (n,), or (m, n) for m numbers of macros.

    Attributes:
        cycles: Time without transfers over the network-on-chip.
        waits: Whether memory or the port sets the pace rather than the arithmetic.
        mac_pj: Energy of the arithmetic.
        read_pj: Energy of reading weights.
        read_bytes: Weight bytes read.
        buffer_pj: Energy of reading inputs from the buffers and writing outputs to them.
        weight_bytes: Bytes that the weights occupy in all macros together, in whole words or tiles.
        active: Macros that have a share of the work.
        room: Input bytes that a macro's buffer has to hold at once; infinite where outputs do not fit.
        map_bytes: Input bytes of a macro altogether.
        share_bytes: Output bytes of the busiest macro.
    """

    cycles: Floats
    waits: Booleans
    mac_pj: Floats
    read_pj: Floats
    read_bytes: Floats
    buffer_pj: Floats
    weight_bytes: Floats
    active: Floats
    room: Floats
    map_bytes: Floats
    share_bytes: Floats

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> CimCost:
        """The cost of nothing."""
        zero = np.zeros(shape)
        return cls(zero, zero > 0, *(zero for _ in fields(cls)[2:]))


@dataclass(frozen=True)
class Cim(Section, ABC):
    """Numbers that macros of every kind have (section `cim` of a SoC file).

    Each macro has two buffers of `buffer`, one to read and one to write; they hold its share of a map that
    stays at the macros between two ops, and the pieces of maps that pass. `write_rate` is the rate of the
    whole chip. Files of earlier versions lack the optional numbers, which then cost nothing.
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
    stream_pieces: Annotated[Quantity | None, Unit("piece/map", whole=True)] = field(
        default=None, kw_only=True
    )
    handover_cycles: Annotated[Quantity | None, Unit("cycle", zero=True)] = field(default=None, kw_only=True)
    handover_energy: Annotated[Quantity | None, Unit("pJ", zero=True)] = field(default=None, kw_only=True)
    idle_leakage: Annotated[Quantity | None, Unit("mW/macro", zero=True)] = field(default=None, kw_only=True)
    buffer_leakage: Annotated[Quantity | None, Unit("mW/macro", zero=True)] = field(
        default=None, kw_only=True
    )

    UNITS: ClassVar[str]
    """Name of the quantity that counts the compute units, or parallel tiles, of a macro."""

    @property
    def macro_capacity_bytes(self) -> float:
        """Bytes for weights in one macro, in whole words or tiles."""
        return self.capacity.value * 1024 // self.tile_bytes * self.tile_bytes

    @property
    def capacity_bytes(self) -> float:
        """Bytes for weights in all macros together."""
        return self.macros.value * self.macro_capacity_bytes

    @property
    def buffer_bytes(self) -> float:
        """Bytes of each of a macro's two buffers."""
        return self.buffer.value * 1024

    @property
    def pieces(self) -> float:
        """Pieces in which a map passes, so that its transfer overlaps with the work on it."""
        return self.stream_pieces.value if self.stream_pieces is not None else 1.0

    @property
    def handover(self) -> tuple[float, float]:
        """Cycles and pJ of a change between NPU and macros."""
        return _value(self.handover_cycles), _value(self.handover_energy)

    @property
    def static_mw(self) -> float:
        """Leakage in mW of all macros and their buffers while the macros are idle."""
        return self.macros.value * (_value(self.idle_leakage) + _value(self.buffer_leakage))

    @property
    def busy_mw(self) -> float:
        """Additional leakage in mW of one macro while it is busy."""
        return max(0.0, self.leakage.value - _value(self.idle_leakage))

    @property
    @abstractmethod
    def tile_bytes(self) -> float:
        """Bytes of the smallest piece of weights that a macro stores."""

    def runs_products(self) -> bool:
        """Whether the arithmetic takes products of two activations."""
        return False

    @abstractmethod
    def peak(self, clock_mhz: float) -> float:
        """Multiply-accumulates per cycle when all units of all macros are busy."""

    @abstractmethod
    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """Cost of whole ops on the macros.

        Args:
            ops: n ops of the kinds in `RUNS`, and products where `runs_products`; rows of other kinds are
                meaningless.
            macros: Number of macros that work on each op, (n,) or (m, 1).
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
    """MRAM banks whose read is shared by several compute units, as in the H4H paper (ASP-DAC 2025).

    The loop nest decides how often a word is read and an input fetched (`loop_nest.py`). With `attention` the
    units take both operands of a product from the buffer.
    """

    compute_units: Annotated[Quantity, Unit("unit/macro", whole=True)]
    input_lanes: Annotated[Quantity, Unit("lane/unit", whole=True)]
    output_lanes: Annotated[Quantity, Unit("lane/unit", whole=True)]
    weight_register: Annotated[Quantity, Unit("B", whole=True)]
    accumulators: Annotated[Quantity, Unit("accumulator/unit", whole=True)]
    input_registers: Annotated[Quantity, Unit("B/unit", whole=True)]
    read_width: Annotated[Quantity, Unit("B", whole=True)]
    read_time: Annotated[Quantity, Unit("ns")]
    read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    attention: bool = field(default=False, kw_only=True)

    UNITS: ClassVar[str] = "compute_units"

    @property
    def tile_bytes(self) -> float:
        """As `Cim.tile_bytes`: a word."""
        return self.read_width.value

    def runs_products(self) -> bool:
        """As `Cim.runs_products`."""
        return self.attention

    def peak(self, clock_mhz: float) -> float:  # noqa: ARG002
        """As `Cim.peak`."""
        lanes = self.input_lanes.value * self.output_lanes.value
        return self.macros.value * self.compute_units.value * lanes

    def structure(self, clock_mhz: float) -> Structure:
        """The macro as `loop_nest.py` needs it, with trained weights as the stationary operand."""
        return Structure(
            units=self.compute_units.value,
            input_lanes=self.input_lanes.value,
            output_lanes=self.output_lanes.value,
            weight_register=self.weight_register.value,
            accumulators=self.accumulators.value,
            input_registers=self.input_registers.value,
            word=self.read_width.value,
            word_cycles=self.read_time.value * clock_mhz * _NS_MHZ,
            word_pj=self.read_width.value * self.read_energy.value,
            port=self.port_bandwidth.value,
            input_pj=self.input_energy.value,
        )

    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """As `Cim.cost`."""
        weights = self._nest_cost(ops, macros, self.structure(clock_mhz), is_product=False)
        product = ops.is_kind("matmul")
        if not (self.attention and product.any()):
            return weights
        byte_by_byte = replace(
            self.structure(clock_mhz), word=1.0, word_cycles=0.0, word_pj=self.input_energy.value
        )
        products = self._nest_cost(ops, macros, byte_by_byte, is_product=True)
        pairs = zip(vars(products).values(), vars(weights).values(), strict=True)
        return CimCost(*(np.where(product, one, other) for one, other in pairs))

    def _nest_cost(self, ops: OpArrays, macros: Floats, structure: Structure, *, is_product: bool) -> CimCost:
        """Cost with trained weights, or of products whose heads the macros share out."""
        heads = np.ceil(ops.heads / macros) if is_product else np.ones_like(macros)
        channels = np.broadcast_to(
            ops.out_channels, np.broadcast_shapes(ops.out_channels.shape, macros.shape)
        )
        channels = channels if is_product else np.ceil(channels / macros)
        active = np.ceil(
            (ops.heads if is_product else ops.out_channels) / (heads if is_product else channels)
        )
        pieces = Pieces.of(ops, channels, heads if is_product else None)
        share = Share(
            positions=ops.positions,
            depth=ops.depth,
            channels=channels,
            kernel=ops.window_width,
            taps=ops.taps,
            stride=ops.stride,
            row=ops.out_columns if not is_product else np.ones_like(ops.width),
            is_depthwise=ops.is_kind("depthwise"),
            most_positions=pieces.most_positions(ops.positions, channels, self.buffer_bytes, self.pieces),
        )
        nest = best_nest(structure, share)
        outputs = ops.output_bytes
        read_pj = heads * active * nest.reads * structure.word_pj
        fetched_pj = heads * active * nest.input_bytes * self.input_energy.value
        none = np.zeros_like(nest.cycles)
        return CimCost(
            cycles=heads * nest.cycles,
            waits=nest.cycles > 1.05 * nest.busy_cycles,
            mac_pj=np.broadcast_to(ops.macs * self.mac_energy.value, none.shape),
            read_pj=none if is_product else read_pj,
            read_bytes=none if is_product else active * nest.reads * structure.word,
            buffer_pj=fetched_pj + outputs * self.input_energy.value + (read_pj if is_product else 0.0),
            weight_bytes=none if is_product else active * nest.stored * structure.word,
            active=np.broadcast_to(active, none.shape),
            room=pieces.room(nest.block, channels, self.buffer_bytes),
            map_bytes=np.broadcast_to(pieces.map_bytes, none.shape),
            share_bytes=np.broadcast_to(heads * ops.positions * channels, none.shape),
        )


@dataclass(frozen=True)
class InArray(Cim):
    """Arrays (tiles), digital or analog, that multiply in the cells that store the weights.

    In each beat, the time of one 8-bit activation, a tile takes `rows` inputs and computes `columns` sums. A
    layer occupies whole tiles: ceil(depth / rows) x ceil(out_channels / columns). A depthwise layer lies on
    the diagonal of its tiles, with as many channels per tile as rows and columns allow. A beat costs the
    energy of a whole tile, used or not, which makes depthwise layers expensive, as in ZigZag's model
    (arXiv 2405.14978).
    """

    rows: Annotated[Quantity, Unit("row", whole=True)]
    columns: Annotated[Quantity, Unit("column", whole=True)]
    parallel_tiles: Annotated[Quantity, Unit("tile/macro", whole=True)]
    beat_time: Annotated[Quantity, Unit("ns")]

    UNITS: ClassVar[str] = "parallel_tiles"

    @property
    def tile_bytes(self) -> float:
        """As `Cim.tile_bytes`: 8-bit weights of one tile."""
        return self.rows.value * self.columns.value

    def peak(self, clock_mhz: float) -> float:
        """As `Cim.peak`."""
        beats = self.beat_time.value * clock_mhz * _NS_MHZ
        return self.macros.value * self.parallel_tiles.value * self.tile_bytes / beats

    def tiles(self, ops: OpArrays) -> Floats:
        """Tiles (n,) that hold the weights of each op."""
        rows, columns = self.rows.value, self.columns.value
        packed = np.maximum(1.0, np.minimum(columns, rows // ops.taps))
        diagonal = np.ceil(ops.taps / rows) * np.ceil(ops.out_channels / packed)
        dense = np.ceil(ops.depth / rows) * np.ceil(ops.out_channels / columns)
        return np.where(ops.is_kind("depthwise"), diagonal, dense)

    def cost(self, ops: OpArrays, macros: Floats, clock_mhz: float) -> CimCost:
        """As `Cim.cost`."""
        tiles = self.tiles(ops)
        beat = self.beat_time.value * clock_mhz * _NS_MHZ
        computing = ops.positions * np.ceil(tiles / (macros * self.parallel_tiles.value)) * beat
        active = np.minimum(macros, tiles)
        # Each input pixel enters a macro once, if a window touches it.
        high, wide = np.minimum(ops.kernel, ops.stride), np.minimum(ops.window_width, ops.stride)
        touched = high * wide * ops.positions
        channels = np.ceil(ops.out_channels / macros)
        inputs = touched * np.where(ops.is_kind("depthwise"), channels, ops.in_channels)
        moving = (inputs + ops.output_bytes / macros) / self.port_bandwidth.value
        pieces = Pieces.of(ops, channels)
        none = np.zeros_like(moving)
        return CimCost(
            cycles=np.maximum(computing, moving) + beat,
            waits=moving > computing,
            mac_pj=none + ops.positions * tiles * self.tile_bytes * self.mac_energy.value,
            read_pj=none,
            read_bytes=none,
            buffer_pj=(active * inputs + ops.output_bytes) * self.input_energy.value,
            weight_bytes=none + tiles * self.tile_bytes,
            active=none + active,
            room=pieces.room(none + pieces.granule_positions, channels, self.buffer_bytes),
            map_bytes=none + pieces.map_bytes,
            share_bytes=none + ops.positions * channels,
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

    def cost(self, ops: OpArrays, macros: Floats, cim: Cim) -> CimCost:
        """Cost (n,) of products or softmax maps of several heads, each head in one macro.

        Each multiply-accumulate fetches one operand from the buffer; the other waits in a register.

        Args:
            ops: n ops of kind matmul or softmax.
            macros: Number of macros that share the heads, (n,) or (m, 1).
            cim: The macros whose buffers hold the operands.
        """
        softmax = ops.is_kind("softmax")
        heads = np.ceil(ops.heads / macros)
        busiest = heads / ops.heads
        work = np.where(softmax, ops.output_bytes * self.softmax_cycles.value, ops.macs / self.mac_rate.value)
        energy = np.where(
            softmax, ops.output_bytes * self.softmax_energy.value, ops.macs * self.mac_energy.value
        )
        second = ops.heads * ops.in_channels * ops.out_channels
        fetched = np.where(softmax, ops.output_bytes, ops.macs + second)
        moving = fetched / cim.port_bandwidth.value
        channels = np.broadcast_to(ops.out_channels, heads.shape)
        pieces = Pieces.of(ops, channels, heads)
        none = np.zeros_like(busiest)
        return CimCost(
            cycles=np.maximum(work, moving) * busiest,
            waits=none + moving > none + work,
            mac_pj=none + energy,
            read_pj=none,
            read_bytes=none,
            buffer_pj=none + (fetched + ops.output_bytes) * cim.input_energy.value,
            weight_bytes=none,
            active=np.ceil(ops.heads / heads),
            room=pieces.room(none + 1.0, channels, cim.buffer_bytes),
            map_bytes=none + pieces.map_bytes,
            share_bytes=heads * ops.positions * channels,
        )


def _value(number: Quantity | None) -> float:
    return number.value if number is not None else 0.0


KINDS: dict[str, type[Cim]] = {"near_memory": NearMemory, "in_array": InArray}


def read_cim(data: object) -> Cim | None:
    """Reads the section `cim` of a SoC file that `check_cim` has checked; None for an absent section."""
    return KINDS[data["model"]].from_dict(data) if isinstance(data, dict) else None


REMOVED_KEYS = {
    "unit_rate": "write cim.input_lanes and cim.output_lanes, whose product is the rate of a unit",
    "positions_per_read": "write cim.weight_register, cim.accumulators and cim.input_registers, from which "
    "the loop nest follows",
}
"""Keys of earlier versions with what replaces them."""


def check_cim(data: object) -> None:
    """Checks the section `cim` of a SoC file, whose key `model` names the kind, before it is read.

    Raises:
        UnknownNameError: There is no such kind.
        DocumentError: The section is no mapping, a key is unknown or of earlier versions, or a number lacks
            unit, source and range.
    """
    if not isinstance(data, dict):
        check_section("cim", data, NearMemory)
        return
    model = data.get("model")
    if model not in KINDS:
        raise UnknownNameError("cim.model", str(model), KINDS)
    for key, remedy in REMOVED_KEYS.items():
        if key in data:
            raise DocumentError(
                f"cim.{key}: this key was removed; {remedy}; u55-256-cim8 has an example of each"
            )
    check_section("cim", data, KINDS[str(model)])
