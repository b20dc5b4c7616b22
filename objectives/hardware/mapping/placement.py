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

from objectives.hardware.mapping.hand_over import (
    BOTH,
    IN_SRAM,
    MACROS_ONLY,
    NPU_ONLY,
    devices,
    hand_overs,
)
from objectives.hardware.mapping.split_costs import PRODUCTS, SplitCosts, channels_of, on_grid
from objectives.hardware.mapping.transfers import Transfers, network_costs
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats, Integers

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

    Without a next op at the macros the last axis has `BACK` alone. An op that works in place runs on a map at
    the macros with the split of that map only: p is then 4, that placement of each split and three of SRAM.

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
        noc_pj: Energy of the transfers, those of the NPU's weights included.
        static_pj: Energy of leakage and idle clocks over the time of the op.
        handover_pj: Energy of the hand-overs.
        sram_bytes: Bytes read from and written to SRAM.
        mram_bytes: Weight bytes read.
        noc_bytes: Bytes sent over the network, a multicast counted once.
        weight_bytes: Bytes of weights that have to reside in the macros.
        inputs: Number of placements of the input.
        matching: Where the op works in place: for each split the placement at the macros with the same
            split (k,), or -1.
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
    inputs: int
    matching: Integers | None

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
        if self.matching is not None and placement >= 0:
            stays = self.inputs - IN_SRAM
            assert placement >= stays or placement == self.matching[split], "a way that does not exist"
            placement = max(placement - stays + 1, 0)
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        shape = np.broadcast_shapes(*(arrays[name].shape for name in _NUMBERS), self.possible.shape)
        index = (macros, placement, split, mode)
        return {name: float(np.broadcast_to(arrays[name], shape)[index]) for name in _NUMBERS}


_NUMBERS = tuple(
    field.name for field in fields(OpCosts) if field.name not in ("possible", "inputs", "matching")
)


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
    previous: SplitCosts | None,
    splits: SplitCosts,
    soc: SoC,
    *,
    value_bytes: float = 0.0,
    may_stay: bool = True,
) -> OpCosts:
    """Costs of all ways to run one op.

    Args:
        previous: Splits of the op before, if its output may stay at the macros; else None, and p = 3.
        splits: Splits of the op.
        soc: The chip.
        value_bytes: Bytes of V of all heads where the op makes scores or their softmax. V is at the macros
            wherever the map is.
        may_stay: Whether the output may stay at the macros for the next op.
    """
    moves = _moves(previous, splits)
    transfers = _transfers(moves, splits, value_bytes, may_stay=may_stay)
    network = network_costs(soc, transfers)
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
    changes = hand_overs(moves.before, splits, moves.is_in_place, soc)
    cycles = (
        np.maximum(np.maximum(network.fetch_cycles + npu_cycles, busy), sram_cycles)
        + tail_cycles
        + along(changes.cycles, Axis.INPUT, Axis.SPLIT)
    )
    input_energy = soc.cim.input_energy.value if soc.cim is not None else 0.0
    leakage = soc.picojoules_per_cycle(soc.cim.busy_mw) if soc.cim is not None else 0.0
    npu_mac_energy = soc.npu.mac_energy.value if soc.has_npu else 0.0
    mram_bytes = along(splits.npu_mram_bytes, Axis.SPLIT)
    factor = along(splits.npu_energy_factor, Axis.SPLIT)
    return OpCosts(
        possible=_possible(splits, moves, value_bytes, soc, may_stay=may_stay),
        npu_cycles=npu_cycles,
        cim_cycles=cim["cycles"],
        fetch_cycles=network.fetch_cycles,
        transfer_cycles=network.cycles,
        overlap_cycles=overlap,
        sram_cycles=sram_cycles,
        tail_cycles=tail_cycles,
        handover_cycles=along(changes.cycles, Axis.INPUT, Axis.SPLIT),
        mac_pj=on_grid(along(splits.npu_macs, Axis.SPLIT) * factor * npu_mac_energy + cim["mac_pj"]),
        sram_pj=on_grid(
            (sram_bytes + (factor - 1.0) * npu_bytes) * soc.memory.sram_pj_per_byte
            + cim["buffer_pj"]
            + buffered * input_energy
        ),
        mram_pj=on_grid(factor * mram_bytes * soc.memory.weight_pj_per_byte + cim["read_pj"]),
        noc_pj=network.energy_pj + on_grid(factor * mram_bytes * soc.memory.weight_network_pj_per_byte),
        static_pj=on_grid(soc.idle_pj_per_cycle * cycles + leakage * cim["active"] * busy),
        handover_pj=along(changes.energy_pj, Axis.INPUT, Axis.SPLIT),
        sram_bytes=sram_bytes,
        mram_bytes=mram_bytes + cim["read_bytes"],
        noc_bytes=transfers.bytes,
        weight_bytes=cim["weight_bytes"],
        inputs=IN_SRAM + (len(previous.channels) - 1 if previous is not None else 0),
        matching=moves.matching,
    )


@dataclass(frozen=True)
class _Moves:
    """Bytes of each transfer before an op, by placement of its input and split, each (p, k).

    Attributes:
        possible: Whether the op can run with this split on an input placed there.
        is_in_place: Whether each device works on what it made itself.
        before: Devices that worked last, (p, 1) or (p, k).
        resident: Bytes of the input that one macro holds, (m, p, 1) or (m, p, k).
        fetch: Macros to SRAM.
        multicast: SRAM to all macros, the same bytes.
        scatter: SRAM to the macros, an equal share each.
        exchange: Each macro to all others.
        matching: As in `OpCosts`.
    """

    possible: Booleans
    is_in_place: Booleans
    before: Integers
    resident: Floats
    fetch: Floats
    multicast: Floats
    scatter: Floats
    exchange: Floats
    matching: Integers | None


def _moves(previous: SplitCosts | None, splits: SplitCosts) -> _Moves:
    op, count = splits.op, len(splits.channels)
    works_in_place = op.kind == "depthwise" or op.kind in PRODUCTS  # a macro needs its own share only
    stays = len(previous.channels) - 1 if previous is not None else 0
    matching = None
    if previous is not None and stays and works_in_place:
        matching = _matching(previous, splits)
        stays = 1
    placements = stays + IN_SRAM
    on_macros = splits.channels < channels_of(op)
    possible = np.zeros((placements, count), dtype=bool)
    is_in_place = np.zeros((placements, count), dtype=bool)
    fetch, multicast, scatter, exchange = (np.zeros((placements, count)) for _ in range(4))
    resident = np.zeros((len(splits.cim.room), placements, count if matching is not None else 1))
    before = np.zeros((placements, resident.shape[2]), dtype=np.int64)
    before[stays:] = np.array([MACROS_ONLY, BOTH, NPU_ONLY])[:, None]

    possible[stays:] = True
    (scatter if works_in_place else multicast)[stays:] = splits.received
    if previous is not None and matching is not None:
        possible[0] = is_in_place[0] = matching >= 0
        resident[:, 0] = previous.cim.share_bytes[:, matching]
        before[0] = devices(previous)[matching]
        if is_projection(previous.op):
            # Q, K and V of a head were made by several macros.
            exchange[0] = np.where(possible[0], previous.returned[matching], 0.0)
    elif previous is not None and stays:
        possible[:stays] = True
        resident[:, :stays] = previous.cim.share_bytes[:, :-1, None]
        before[:stays] = devices(previous)[:-1, None]
        at_macros = previous.returned[:-1, None]  # (stays, 1) bytes
        in_sram = previous.op.output_bytes - at_macros
        fetch[:stays] = np.where(splits.channels > 0, at_macros, 0.0)
        multicast[:stays] = np.where(on_macros, in_sram, 0.0)
        exchange[:stays] = np.where(on_macros, at_macros, 0.0)
    return _Moves(possible, is_in_place, before, resident, fetch, multicast, scatter, exchange, matching)


def _matching(previous: SplitCosts, splits: SplitCosts) -> Integers:
    """For each split with a share on the macros the split of the op before with the same shares, or -1."""
    in_sram = previous.channels[:-1] / channels_of(previous.op)
    on_npu = splits.channels / channels_of(splits.op)
    nearest = np.abs(in_sram[None, :] - on_npu[:, None]).argmin(axis=1)
    is_same = (np.abs(in_sram[nearest] - on_npu) < 1e-9) & (splits.channels < channels_of(splits.op))
    return np.where(is_same, nearest, -1)


def _possible(splits: SplitCosts, moves: _Moves, value_bytes: float, soc: SoC, *, may_stay: bool) -> Booleans:
    """Whether each way exists, (m, p, k, 2): what arrives and what stays fits into the macros' buffers."""
    allowed = along(moves.possible & splits.allowed, Axis.INPUT, Axis.SPLIT)
    buffer_bytes = soc.cim.buffer_bytes if soc.cim is not None else 0.0
    cim = splits.cim
    arrives = moves.resident[..., None] + along(cim.room, Axis.MACROS, Axis.SPLIT) <= buffer_bytes
    on_macros = splits.channels < channels_of(splits.op)
    whole = (cim.map_bytes <= buffer_bytes) & (cim.room < np.inf) | ~on_macros
    fits: Booleans = allowed & (arrives | along(whole, Axis.MACROS, Axis.SPLIT))
    if not may_stay:
        return fits
    kept = cim.share_bytes
    if splits.op.kind == "softmax":  # V lies beside it, in the same macros
        kept = kept + value_bytes / splits.op.output_bytes * kept
    stays = on_macros & (kept <= buffer_bytes) & (not splits.op.fused_gelu)  # (m, k)
    return np.concatenate([fits, fits & along(stays, Axis.MACROS, Axis.SPLIT)], axis=Axis.OUTPUT)


def _transfers(moves: _Moves, splits: SplitCosts, value_bytes: float, *, may_stay: bool) -> Transfers:
    """Bytes of all transfers, with V where scores or softmax change their place without it."""
    modes = 2 if may_stay else 1
    returned = np.stack([splits.returned, np.zeros_like(splits.returned)], axis=-1)  # (k, 2)
    scatter = along(moves.scatter, Axis.INPUT, Axis.SPLIT)
    returning = along(returned[:, :modes], Axis.SPLIT, Axis.OUTPUT)
    if value_bytes:
        stays = len(moves.possible) - IN_SRAM
        values = value_bytes * (1.0 - splits.channels / channels_of(splits.op))  # (k,) of the macros' heads
        arrives = np.zeros((len(moves.possible), len(splits.channels), 2))
        leaves = np.zeros_like(arrives)
        arrives[stays:, :, STAY] = values
        leaves[:stays, :, BACK] = values
        scatter, returning = scatter + arrives[None, ..., :modes], returning + leaves[None, ..., :modes]
    return Transfers(
        fetch=along(moves.fetch, Axis.INPUT, Axis.SPLIT),
        multicast=along(moves.multicast, Axis.INPUT, Axis.SPLIT),
        scatter=scatter,
        exchange=along(moves.exchange, Axis.INPUT, Axis.SPLIT),
        returning=returning,
    )
