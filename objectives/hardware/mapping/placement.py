"""Placement of feature maps between ops, and the cost of each way to run one op.

A map lies in SRAM, at the macros, or is split between both by channels or heads. The op that makes it decides
this by its split: the NPU writes its share to SRAM; the macros write theirs back to SRAM or keep it in their
buffers. The placements after an op are therefore its splits, and three of SRAM, which differ in the devices
that worked last: the macros, both, or the NPU. Where the next op needs others, a hand-over is due.

    next op              input in SRAM                    input split between SRAM and macros
    conv2d, linear       multicast to all macros          each side gets what it lacks; macros exchange
    depthwise            each macro gets its channels     in place, with the same split
    product, softmax     each macro gets its heads        in place, with the same heads
    any other            -                                impossible: the map is written back before

    cycles = max(fetch + npu, transfer + cim - overlap, sram) + tail + hand-over
    fetch: to SRAM, for the NPU; part of transfer. sram: all traffic over the port that NPU and network share

Maps that are read again later (residuals) have to be in SRAM.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from objectives.hardware.mapping.hand_over import IN_SRAM, hand_overs
from objectives.hardware.mapping.op_splits import PRODUCTS, SplitCosts, channels_of, macro_options, on_grid
from objectives.hardware.op import Op
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
    """Placement of the input; the last three are SRAM."""
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
        overlap_cycles: Part of the last two during which transfers and macros work at once.
        sram_cycles: Time of all traffic of a shared op over the port of the SRAM.
        tail_cycles: Time of the activation function of the macros' share, which runs on the NPU.
        handover_cycles: Time of the hand-overs between NPU and macros before and within the op.
        mac_pj: Energy of the multiply-accumulates of both.
        sram_pj: Energy of the activations in SRAM and in the macros' buffers.
        mram_pj: Energy of the weights read by the NPU and in the macros.
        noc_pj: Energy of the transfers.
        static_pj: Energy of leakage and idle clocks over the time of the op.
        handover_pj: Energy of the hand-overs.
        sram_bytes: Bytes read from and written to SRAM.
        mram_bytes: Weight bytes read.
        noc_bytes: Bytes sent over the network, a multicast counted once.
        weight_bytes: Bytes of weights that have to reside in the macros.
    """

    possible: Booleans
    npu_cycles: Floats
    cim_cycles: Floats
    fetch_cycles: Floats
    transfer_cycles: Floats
    overlap_cycles: Floats
    sram_cycles: Floats
    tail_cycles: Floats
    handover_cycles: Floats
    mac_pj: Floats
    sram_pj: Floats
    mram_pj: Floats
    noc_pj: Floats
    static_pj: Floats
    handover_pj: Floats
    sram_bytes: Floats
    mram_bytes: Floats
    noc_bytes: Floats
    weight_bytes: Floats

    @property
    def cycles(self) -> Floats:
        """Time of the op."""
        npu = self.fetch_cycles + self.npu_cycles
        cim = self.transfer_cycles + self.cim_cycles - self.overlap_cycles
        return np.maximum(np.maximum(npu, cim), self.sram_cycles) + self.tail_cycles + self.handover_cycles

    @property
    def energy_pj(self) -> Floats:
        """Energy of the op."""
        parts = (self.mac_pj, self.sram_pj, self.mram_pj, self.noc_pj, self.static_pj, self.handover_pj)
        return sum(parts[1:], parts[0])

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
    kinds = soc.macro_kinds
    if first.kind not in kinds or second.kind not in kinds or first.fused_gelu:
        return False
    if is_projection(first):
        return second.kind == "matmul" and second.heads == first.heads
    if first.kind in PRODUCTS:
        if second.kind in PRODUCTS:
            return first.kind != second.kind and first.heads == second.heads
        return first.kind == "matmul" and first.output_bytes == second.input_bytes
    if second.kind in PRODUCTS or first.output_bytes != second.input_bytes:
        return False
    return second.kind != "depthwise" or first.out_channels == second.in_channels


def is_projection(op: Op) -> bool:
    """Whether `op` makes Q, K and V of several heads at once."""
    return op.kind == "linear" and op.heads > 1


def op_costs(
    previous: SplitCosts | None, splits: SplitCosts, soc: SoC, *, value_bytes: float = 0.0
) -> OpCosts:
    """Costs of all ways to run one op.

    Args:
        previous: Splits of the op before, if its output may stay at the macros; else None, and p = 3.
        splits: Splits of the op.
        soc: The chip.
        value_bytes: Bytes of V of all heads where the op makes scores or their softmax. V is at the macros
            wherever the map is.
    """
    moves = _moves(previous, splits)
    transfers = _transfers(moves, splits, value_bytes)
    network = _network_costs(soc, transfers)
    cim = {name: along(column, Axis.MACROS, Axis.SPLIT) for name, column in vars(splits.cim).items()}
    npu_cycles = along(splits.npu_cycles, Axis.SPLIT)
    tail_cycles = along(splits.tail_cycles, Axis.SPLIT)
    uses_macros = along(splits.channels < channels_of(splits.op), Axis.SPLIT)
    overlap = np.where(uses_macros, network.overlap(cim["cycles"], splits.pieces), 0.0)
    busy = np.where(uses_macros, network.cycles + cim["cycles"] - overlap, 0.0)

    # GELU of the macros' part, on the NPU, reads and writes it once more.
    gelu = 2.0 * splits.returned if splits.op.fused_gelu else np.zeros_like(splits.returned)
    on_network = transfers.fetch + transfers.multicast + transfers.scatter + transfers.returning
    npu_bytes = along(splits.npu_sram_bytes, Axis.SPLIT)
    sram_bytes = npu_bytes + on_network + along(gelu, Axis.SPLIT)
    shared_bytes = np.where(uses_macros, npu_bytes + on_network, 0.0)
    sram_cycles = on_grid(shared_bytes / soc.npu.sram_bytes_per_cycle) if soc.has_npu else 0.0 * shared_bytes
    # What arrives is written to buffers, what leaves them is read.
    buffered = (
        cim["active"] * transfers.multicast
        + transfers.scatter
        + np.maximum(cim["active"], 1.0) * transfers.exchange
        + transfers.fetch
        + transfers.returning
    )
    changes = hand_overs(previous, splits, moves.is_in_place, soc)
    cycles = (
        np.maximum(np.maximum(network.fetch_cycles + npu_cycles, busy), sram_cycles)
        + tail_cycles
        + along(changes.cycles, Axis.INPUT, Axis.SPLIT)
    )
    input_energy = soc.cim.input_energy.value if soc.cim is not None else 0.0
    leakage = soc.picojoules_per_cycle(soc.cim.busy_mw) if soc.cim is not None else 0.0
    npu_mac_energy = soc.npu.mac_energy.value if soc.has_npu else 0.0
    mram_bytes = along(splits.npu_mram_bytes, Axis.SPLIT)
    return OpCosts(
        possible=_possible(previous, splits, moves, value_bytes, soc),
        npu_cycles=npu_cycles,
        cim_cycles=cim["cycles"],
        fetch_cycles=network.fetch_cycles,
        transfer_cycles=network.cycles,
        overlap_cycles=overlap,
        sram_cycles=sram_cycles,
        tail_cycles=tail_cycles,
        handover_cycles=along(changes.cycles, Axis.INPUT, Axis.SPLIT),
        mac_pj=on_grid(along(splits.npu_macs * npu_mac_energy, Axis.SPLIT) + cim["mac_pj"]),
        sram_pj=on_grid(
            sram_bytes * soc.memory.sram_energy.value + cim["buffer_pj"] + buffered * input_energy
        ),
        mram_pj=on_grid(mram_bytes * soc.memory.mram_read_energy.value + cim["read_pj"]),
        noc_pj=network.energy_pj,
        static_pj=on_grid(soc.idle_pj_per_cycle * cycles + leakage * cim["active"] * busy),
        handover_pj=along(changes.energy_pj, Axis.INPUT, Axis.SPLIT),
        sram_bytes=sram_bytes,
        mram_bytes=mram_bytes + cim["read_bytes"],
        noc_bytes=transfers.bytes,
        weight_bytes=cim["weight_bytes"],
    )


@dataclass(frozen=True)
class _Moves:
    """Bytes of each transfer before an op, by placement of its input and split, each (p, k).

    Attributes:
        possible: Whether the op can run with this split on an input placed there.
        is_in_place: Whether each device works on what it made itself.
        fetch: Macros to SRAM.
        multicast: SRAM to all macros, the same bytes.
        scatter: SRAM to the macros, an equal share each.
        exchange: Each macro to all others.
    """

    possible: Booleans
    is_in_place: Booleans
    fetch: Floats
    multicast: Floats
    scatter: Floats
    exchange: Floats


def _moves(previous: SplitCosts | None, splits: SplitCosts) -> _Moves:
    op, count = splits.op, len(splits.channels)
    stays = len(previous.channels) - 1 if previous is not None else 0
    placements = stays + IN_SRAM
    on_macros = splits.channels < channels_of(op)
    possible = np.zeros((placements, count), dtype=bool)
    is_in_place = np.zeros((placements, count), dtype=bool)
    fetch, multicast, scatter, exchange = (np.zeros((placements, count)) for _ in range(4))

    possible[stays:] = True
    works_in_place = op.kind == "depthwise" or op.kind in PRODUCTS  # a macro needs its own share only
    (scatter if works_in_place else multicast)[stays:] = splits.received
    if previous is None or stays == 0:
        return _Moves(possible, is_in_place, fetch, multicast, scatter, exchange)

    if works_in_place:
        share_in_sram = previous.channels[:-1] / channels_of(previous.op)  # (stays,)
        share_on_npu = splits.channels / channels_of(op)
        is_same = np.abs(share_in_sram[:, None] - share_on_npu[None, :]) < 1e-9
        possible[:stays] = is_in_place[:stays] = is_same & on_macros[None, :]
        if is_projection(previous.op):
            # Q, K and V of a head were made by several macros.
            exchange[:stays] = np.where(possible[:stays], previous.returned[:-1, None], 0.0)
        return _Moves(possible, is_in_place, fetch, multicast, scatter, exchange)

    possible[:stays] = True
    at_macros = previous.returned[:-1, None]  # (stays, 1) bytes
    in_sram = previous.op.output_bytes - at_macros
    fetch[:stays] = np.where(splits.channels > 0, at_macros, 0.0)
    multicast[:stays] = np.where(on_macros, in_sram, 0.0)
    exchange[:stays] = np.where(on_macros, at_macros, 0.0)
    return _Moves(possible, is_in_place, fetch, multicast, scatter, exchange)


def _possible(
    previous: SplitCosts | None, splits: SplitCosts, moves: _Moves, value_bytes: float, soc: SoC
) -> Booleans:
    """Whether each way exists, (m, p, k, 2): what arrives and what stays fits into the macros' buffers."""
    allowed = along(moves.possible & splits.allowed, Axis.INPUT, Axis.SPLIT)
    buffer_bytes = soc.cim.buffer_bytes if soc.cim is not None else 0.0
    cim = splits.cim
    resident = np.zeros((len(cim.room), len(moves.possible)))
    if previous is not None:
        resident[:, :-IN_SRAM] = previous.cim.share_bytes[:, :-1]
    arrives = (
        along(resident, Axis.MACROS, Axis.INPUT) + along(cim.room, Axis.MACROS, Axis.SPLIT) <= buffer_bytes
    )
    whole = (cim.map_bytes <= buffer_bytes) & (cim.room < np.inf)
    fits = arrives | along(whole, Axis.MACROS, Axis.SPLIT)
    on_macros = splits.channels < channels_of(splits.op)
    fits = fits | along(~on_macros, Axis.SPLIT)

    kept = cim.share_bytes
    if splits.op.kind == "softmax":  # V lies beside it, in the same macros
        kept = kept + value_bytes / splits.op.output_bytes * kept
    stays = on_macros & (kept <= buffer_bytes) & (not splits.op.fused_gelu)  # (m, k)
    stays = along(stays, Axis.MACROS, Axis.SPLIT)
    may_stay: Booleans = np.concatenate([np.ones_like(stays), stays], axis=Axis.OUTPUT)
    return allowed & fits & may_stay


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


def _transfers(moves: _Moves, splits: SplitCosts, value_bytes: float) -> _Transfers:
    """Bytes of all transfers, with V where scores or softmax change their place without it."""
    stays = len(moves.possible) - IN_SRAM
    returned = np.stack([splits.returned, np.zeros_like(splits.returned)], axis=-1)  # (k, 2)
    values = value_bytes * (1.0 - splits.channels / channels_of(splits.op))  # (k,) of the macros' heads
    arrives = np.zeros((len(moves.possible), len(splits.channels), 2))
    leaves = np.zeros_like(arrives)
    arrives[stays:, :, STAY] = values
    leaves[:stays, :, BACK] = values
    return _Transfers(
        fetch=along(moves.fetch, Axis.INPUT, Axis.SPLIT),
        multicast=along(moves.multicast, Axis.INPUT, Axis.SPLIT),
        scatter=along(moves.scatter, Axis.INPUT, Axis.SPLIT) + arrives[None],
        exchange=along(moves.exchange, Axis.INPUT, Axis.SPLIT),
        returning=along(returned, Axis.SPLIT, Axis.OUTPUT) + leaves[None],
    )


@dataclass(frozen=True)
class _NetworkCosts:
    """Costs of the transfers of an op, arrays that broadcast to the axes of `Axis`.

    Attributes:
        fetch_cycles: Time of the fetch alone.
        arriving_cycles: Time of the transfers to the macros and among them.
        returning_cycles: Time of the transfer back to SRAM.
        energy_pj: Energy of all transfers.
        is_bus: Whether only one of them can go on at a time.
    """

    fetch_cycles: Floats
    arriving_cycles: Floats
    returning_cycles: Floats
    energy_pj: Floats
    is_bus: bool

    @property
    def cycles(self) -> Floats:
        """Time of all transfers, one after the other."""
        return self.fetch_cycles + self.arriving_cycles + self.returning_cycles

    def overlap(self, working: Floats, pieces: float) -> Floats:
        """Cycles saved where a map passes in pieces: one arrives, one is in work, one returns."""
        arriving, returning = self.arriving_cycles, self.returning_cycles
        moving = arriving + returning if self.is_bus else np.maximum(arriving, returning)
        saved = arriving + working + returning - np.maximum(moving, working)
        return on_grid((1.0 - 1.0 / pieces) * saved)


def _network_costs(soc: SoC, transfers: _Transfers) -> _NetworkCosts:
    none = np.zeros((1, 1, 1, 1))
    if soc.noc is None:
        return _NetworkCosts(none, none, none, none, is_bus=False)
    traffic = [soc.noc.traffic(count) for count in macro_options(soc)]
    energy_pj, times = none, {"fetch": none, "arriving": none, "returning": none}
    for name, pattern, part in (
        ("fetch", "gather", "fetch"),
        ("multicast", "multicast", "arriving"),
        ("scatter", "scatter", "arriving"),
        ("exchange", "exchange", "arriving"),
        ("returning", "gather", "returning"),
    ):
        moved = getattr(transfers, name)
        if not moved.any():
            continue
        cycles, energy = _transfer_costs(soc.noc, [getattr(ways, pattern) for ways in traffic], moved)
        times[part] = times[part] + cycles
        energy_pj = energy_pj + energy
    return _NetworkCosts(
        times["fetch"], times["arriving"], times["returning"], energy_pj, soc.noc.topology == "bus"
    )


def _transfer_costs(noc: Noc, patterns: list[Pattern], moved: Floats) -> tuple[Floats, Floats]:
    """Cycles and energy of moving `moved` bytes in the pattern of each number of macros."""
    cycles = np.concatenate([noc.cycles(pattern, moved) for pattern in patterns])
    energy = np.concatenate([noc.energy_pj(pattern, moved) for pattern in patterns])
    return on_grid(cycles), on_grid(energy)
