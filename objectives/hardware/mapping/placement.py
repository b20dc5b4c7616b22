"""Placement of feature maps between ops, and the cost of each way to run one op.

A map lies in SRAM, at the macros, or is split between both by channels or heads. The op that makes it decides
this by its split: the NPU writes its share to SRAM; the macros write theirs back to SRAM or keep it in their
buffers. The placements after an op are therefore its splits, and "all on the NPU" means in SRAM.

    next op              input in SRAM                    input split between SRAM and macros
    conv2d, linear       multicast to all macros          each side gets what it lacks; macros exchange
    depthwise            each macro gets its channels     in place, with the same split
    product, softmax     each macro gets its heads        in place, with the same heads
    any other            -                                impossible: the map is written back before

    cycles = max(fetch + npu, transfer + cim) + tail          fetch: to SRAM, for the NPU; part of transfer

Maps that are read again later (residuals) have to be in SRAM.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectives.hardware.mapping.op_splits import PRODUCTS, SplitCosts, channels_of, macro_options, on_grid
from objectives.hardware.op import Op
from objectives.hardware.parts.cim import RUNS
from objectives.hardware.parts.noc import Noc, Pattern
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats

BACK, STAY = 0, 1
"""Where the macros' share of an output goes: written back to SRAM, or kept at the macros."""

FORBIDDEN = 1e30
"""Cost of an impossible way; finite, because infinity times zero is not a number."""

Value = TypeVar("Value", bound=np.generic)


class Axis(IntEnum):
    """Axes of the arrays in `OpCosts`: the four choices that make up a way to run an op."""

    MACROS = 0
    """Number of macros in use, as `macro_options` lists them."""
    INPUT = 1
    """Placement of the input; the last is SRAM."""
    SPLIT = 2
    """Split of the op between NPU and macros; the last is all on the NPU."""
    OUTPUT = 3
    """`BACK` or `STAY`."""


def along(values: NDArray[Value], *axes: Axis) -> NDArray[Value]:
    """`values`, whose dimensions are `axes` in ascending order, with length 1 along every other axis."""
    return values[_index(axes)]


@cache
def _index(axes: tuple[Axis, ...]) -> tuple[slice | None, ...]:
    return tuple(slice(None) if axis in axes else None for axis in Axis)


@dataclass(frozen=True)
class OpCosts:
    """Costs of all ways to run one op: arrays that broadcast to the axes of `Axis`, (m, p, k, 2).

    Attributes:
        possible: Whether the way exists.
        npu_cycles: Time of the NPU's share.
        cim_cycles: Time of the macros' share.
        fetch_cycles: Time to move data from the macros to SRAM before the NPU begins.
        transfer_cycles: Time of all transfers before and after the macros' share, `fetch_cycles` included.
        tail_cycles: Time of the activation function of the macros' share, which runs on the NPU.
        mac_pj: Energy of the multiply-accumulates of both.
        sram_pj: Energy of the activations in SRAM and in the macros' buffers.
        mram_pj: Energy of the weights read by the NPU and in the macros.
        noc_pj: Energy of the transfers.
        static_pj: Energy of leakage and idle clocks over the time of the op.
        sram_bytes: Bytes read from and written to SRAM.
        mram_bytes: Weight bytes read.
        noc_bytes: Bytes sent over the network, a multicast counted once.
        weight_bytes: Bytes of weights that have to reside in the macros.
        macro_bytes: Bytes of them in one macro.
    """

    possible: Booleans
    npu_cycles: Floats
    cim_cycles: Floats
    fetch_cycles: Floats
    transfer_cycles: Floats
    tail_cycles: Floats
    mac_pj: Floats
    sram_pj: Floats
    mram_pj: Floats
    noc_pj: Floats
    static_pj: Floats
    sram_bytes: Floats
    mram_bytes: Floats
    noc_bytes: Floats
    weight_bytes: Floats
    macro_bytes: Floats

    @property
    def cycles(self) -> Floats:
        """Time of the op."""
        npu = self.fetch_cycles + self.npu_cycles
        return np.maximum(npu, self.transfer_cycles + self.cim_cycles) + self.tail_cycles

    @property
    def energy_pj(self) -> Floats:
        """Energy of the op."""
        return self.mac_pj + self.sram_pj + self.mram_pj + self.noc_pj + self.static_pj

    def at(self, macros: int, placement: int, split: int, mode: int) -> dict[str, float]:
        """The numbers of one way, by name."""
        shape = np.broadcast_shapes(*(getattr(self, field.name).shape for field in fields(self)))
        index = (macros, placement, split, mode)
        return {
            field.name: float(np.broadcast_to(getattr(self, field.name), shape)[index])
            for field in fields(self)
            if field.name != "possible"
        }


def hands_over(first: Op, second: Op, soc: SoC) -> bool:
    """Whether the output of `first` may stay at the macros for `second`."""
    if soc.cim is None or first.fused_gelu:
        return False
    if is_projection(first):
        return soc.digital is not None and second.kind == "matmul" and second.heads == first.heads
    if first.kind in PRODUCTS and soc.digital is not None:
        if second.kind in PRODUCTS:
            return first.kind != second.kind and first.heads == second.heads
        return first.kind == "matmul" and second.kind in RUNS and first.output_bytes == second.input_bytes
    if first.kind not in RUNS or second.kind not in RUNS or first.output_bytes != second.input_bytes:
        return False
    return second.kind != "depthwise" or first.out_channels == second.in_channels


def is_projection(op: Op) -> bool:
    """Whether `op` makes Q, K and V of several heads at once."""
    return op.kind == "linear" and op.heads > 1


def op_costs(
    previous: SplitCosts | None, splits: SplitCosts, soc: SoC, *, later_bytes: float = 0.0
) -> OpCosts:
    """Costs of all ways to run one op.

    Args:
        previous: Splits of the op before, if its output may stay at the macros; else None, and p = 1.
        splits: Splits of the op.
        soc: The chip.
        later_bytes: Bytes for a later op that go to the macros along with an input from SRAM: V of all heads,
            sent with the scores.
    """
    moves = _moves(previous, splits, later_bytes)
    returned = np.stack([splits.returned, np.zeros_like(splits.returned)], axis=-1)  # (k, 2)
    kept = splits.returned[:, None] - returned
    transfers = _Transfers(
        fetch=along(moves.fetch, Axis.INPUT, Axis.SPLIT),
        multicast=along(moves.multicast, Axis.INPUT, Axis.SPLIT),
        scatter=along(moves.scatter, Axis.INPUT, Axis.SPLIT),
        exchange=along(moves.exchange, Axis.INPUT, Axis.SPLIT),
        returning=along(returned, Axis.SPLIT, Axis.OUTPUT),
    )
    network = _network_costs(soc, transfers)
    macros = along(np.array(macro_options(soc), dtype=np.float64), Axis.MACROS)
    cim = {name: along(column, Axis.MACROS, Axis.SPLIT) for name, column in vars(splits.cim).items()}
    npu_cycles = along(splits.npu_cycles, Axis.SPLIT)
    tail_cycles = along(splits.tail_cycles, Axis.SPLIT)
    uses_macros = along(splits.channels < channels_of(splits.op), Axis.SPLIT)
    busy = np.where(uses_macros, network.cycles + cim["cycles"], 0.0)
    cycles = np.maximum(network.fetch_cycles + npu_cycles, busy) + tail_cycles

    # GELU of the macros' share, on the NPU, reads and writes it once more.
    gelu = 2.0 * returned if splits.op.fused_gelu else np.zeros_like(returned)
    sram_bytes = along(splits.npu_sram_bytes, Axis.SPLIT) + (
        transfers.fetch
        + transfers.multicast
        + transfers.scatter
        + transfers.returning
        + along(gelu, Axis.SPLIT, Axis.OUTPUT)
    )
    buffered = (
        macros * transfers.multicast
        + transfers.scatter
        + np.maximum(macros - 1.0, 0.0) * transfers.exchange
        + along(kept, Axis.SPLIT, Axis.OUTPUT)
    )
    input_energy = soc.cim.input_energy.value if soc.cim is not None else 0.0
    leakage = soc.picojoules_per_cycle(soc.cim.leakage.value) if soc.cim is not None else 0.0
    npu_mac_energy = soc.npu.mac_energy.value if soc.has_npu else 0.0
    mram_bytes = along(splits.npu_mram_bytes, Axis.SPLIT)
    return OpCosts(
        possible=_possible(splits, moves, kept, soc),
        npu_cycles=npu_cycles,
        cim_cycles=cim["cycles"],
        fetch_cycles=network.fetch_cycles,
        transfer_cycles=network.cycles,
        tail_cycles=tail_cycles,
        mac_pj=on_grid(along(splits.npu_macs * npu_mac_energy, Axis.SPLIT) + cim["mac_pj"]),
        sram_pj=on_grid(
            sram_bytes * soc.memory.sram_energy.value + cim["input_pj"] + buffered * input_energy
        ),
        mram_pj=on_grid(mram_bytes * soc.memory.mram_read_energy.value + cim["read_pj"]),
        noc_pj=network.energy_pj,
        static_pj=on_grid(soc.idle_pj_per_cycle * cycles + leakage * macros * busy),
        sram_bytes=sram_bytes,
        mram_bytes=mram_bytes + cim["read_bytes"],
        noc_bytes=transfers.bytes,
        weight_bytes=cim["weight_bytes"],
        macro_bytes=cim["macro_bytes"],
    )


@dataclass(frozen=True)
class _Moves:
    """Bytes of each transfer before an op, by placement of its input and split, each (p, k).

    Attributes:
        possible: Whether the op can run with this split on an input placed there.
        fetch: Macros to SRAM.
        multicast: SRAM to all macros, the same bytes.
        scatter: SRAM to the macros, an equal share each.
        exchange: Each macro to all others.
    """

    possible: Booleans
    fetch: Floats
    multicast: Floats
    scatter: Floats
    exchange: Floats


def _moves(previous: SplitCosts | None, splits: SplitCosts, later_bytes: float) -> _Moves:
    op, count = splits.op, len(splits.channels)
    placements = len(previous.channels) if previous is not None else 1
    on_macros = splits.channels < channels_of(op)
    possible = np.zeros((placements, count), dtype=bool)
    fetch, multicast, scatter, exchange = (np.zeros((placements, count)) for _ in range(4))

    possible[-1] = True
    in_place = op.kind == "depthwise" or op.kind in PRODUCTS  # a macro needs its own channels or heads only
    later = later_bytes * (1.0 - splits.channels / channels_of(op))
    (scatter if in_place else multicast)[-1] = splits.received + later
    if previous is None or placements == 1:
        return _Moves(possible, fetch, multicast, scatter, exchange)

    share_in_sram = previous.channels[:-1] / channels_of(previous.op)  # (p - 1,)
    if in_place:
        share_on_npu = splits.channels / channels_of(op)
        is_same = np.abs(share_in_sram[:, None] - share_on_npu[None, :]) < 1e-9
        possible[:-1] = is_same & on_macros[None, :]
        if is_projection(previous.op):
            # Q, K and V of a head were made by several macros.
            exchange[:-1] = np.where(possible[:-1], previous.returned[:-1, None], 0.0)
        return _Moves(possible, fetch, multicast, scatter, exchange)

    possible[:-1] = True
    at_macros = previous.returned[:-1, None]  # (p - 1, 1) bytes
    in_sram = previous.op.output_bytes - at_macros
    fetch[:-1] = np.where(splits.channels > 0, at_macros, 0.0)
    multicast[:-1] = np.where(on_macros, in_sram, 0.0)
    exchange[:-1] = np.where(on_macros, at_macros, 0.0)
    return _Moves(possible, fetch, multicast, scatter, exchange)


def _possible(splits: SplitCosts, moves: _Moves, kept: Floats, soc: SoC) -> Booleans:
    """Whether each way exists, (m, p, k, 2): an output stays only where it fits into the macros' buffers."""
    allowed = along(moves.possible & splits.allowed, Axis.INPUT, Axis.SPLIT)
    buffer_bytes = soc.cim.buffer.value * 1024 if soc.cim is not None else 0.0
    macros = along(np.maximum(np.array(macro_options(soc), dtype=np.float64), 1.0), Axis.MACROS)
    macro_share = along(kept[:, STAY], Axis.SPLIT) / macros  # bytes in one macro
    stays = (macro_share > 0) & (macro_share <= buffer_bytes) & (not splits.op.fused_gelu)
    may_stay: Booleans = np.concatenate([np.ones_like(stays), stays], axis=Axis.OUTPUT)
    return allowed & may_stay


@dataclass(frozen=True)
class _Transfers:
    """Bytes of all transfers of an op, arrays that broadcast to the axes of `Axis`."""

    fetch: Floats
    multicast: Floats
    scatter: Floats
    exchange: Floats
    returning: Floats

    @property
    def bytes(self) -> Floats:
        """Bytes sent over the network."""
        return self.fetch + self.multicast + self.scatter + self.exchange + self.returning


@dataclass(frozen=True)
class _NetworkCosts:
    """Costs of the transfers of an op, arrays that broadcast to the axes of `Axis`.

    Attributes:
        fetch_cycles: Time of the fetch alone.
        cycles: Time of all transfers, one after the other.
        energy_pj: Energy of all transfers.
    """

    fetch_cycles: Floats
    cycles: Floats
    energy_pj: Floats


def _network_costs(soc: SoC, transfers: _Transfers) -> _NetworkCosts:
    none = np.zeros((1, 1, 1, 1))
    if soc.noc is None:
        return _NetworkCosts(none, none, none)
    traffic = [soc.noc.traffic(count) for count in macro_options(soc)]
    total_cycles = total_pj = fetch_cycles = none
    for name, pattern in (
        ("fetch", "gather"),
        ("multicast", "multicast"),
        ("scatter", "scatter"),
        ("exchange", "exchange"),
        ("returning", "gather"),
    ):
        moved = getattr(transfers, name)
        if not moved.any():
            continue
        cycles, energy = _transfer_costs(soc.noc, [getattr(ways, pattern) for ways in traffic], moved)
        if name == "fetch":
            fetch_cycles = cycles
        total_cycles, total_pj = total_cycles + cycles, total_pj + energy
    return _NetworkCosts(fetch_cycles, total_cycles, total_pj)


def _transfer_costs(noc: Noc, patterns: list[Pattern], moved: Floats) -> tuple[Floats, Floats]:
    """Cycles and energy of moving `moved` bytes in the pattern of each number of macros."""
    cycles = np.concatenate([noc.cycles(pattern, moved) for pattern in patterns])
    energy = np.concatenate([noc.energy_pj(pattern, moved) for pattern in patterns])
    return on_grid(cycles), on_grid(energy)
