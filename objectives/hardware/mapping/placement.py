"""Placement: where a feature map lies between two ops, and what moving it costs.

A map is in SRAM, at the macros, or split between both by channels or heads. It gets there by the schema of
the op that makes it: the NPU's share is written to SRAM, the macros' share either is written back to SRAM
or stays in the macros' buffers. So the placements after an op are its splits, and "all on the NPU" means in
SRAM.

    next op              from SRAM                        from a split map
    conv2d, linear       multicast to all macros          both sides get what they lack; macros exchange
    depthwise            each macro gets its channels     in place, with the same split
    product, softmax     each macro gets its heads        in place, with the same heads
    anything else        -                                not possible: the map is written back before

    cycles = max(fetch + npu, transfer + cim) + tail          fetch: to SRAM, for the NPU; part of transfer

Maps that are read again later (residuals) have to be in SRAM.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from objectives.hardware.mapping.op_splits import PRODUCTS, Shares, channels_of, macro_options, on_grid
from objectives.hardware.op import BoolArray, FloatArray, Op
from objectives.hardware.parts.cim import RUNS
from objectives.hardware.parts.noc import Noc, Pattern
from objectives.hardware.soc import SoC

BACK, STAY = 0, 1
"""What becomes of the macros' share of an output: written back to SRAM, or kept at the macros."""

FORBIDDEN = 1e30
"""Cost of what cannot be; finite, since infinity times zero is not a number."""


@dataclass(frozen=True)
class OpCosts:
    """All ways of one op: arrays that broadcast to (m, p, k, 2).

    m: macros in use; p: placements of the input, the last of them SRAM; k: splits; 2: `BACK` or `STAY`.

    Attributes:
        possible: Whether it can be.
        npu_cycles: Time of the NPU's share.
        cim_cycles: Time of the macros' share.
        fetch_cycles: What comes from the macros to SRAM before the NPU begins.
        transfer_cycles: All on the network before and after the macros' share, `fetch_cycles` included.
        tail_cycles: Activation function of the macros' share, on the NPU.
        mac_pj: Multiply-accumulates of both.
        sram_pj: Activations: SRAM and the macros' buffers.
        mram_pj: Weights read by the NPU and in the macros.
        noc_pj: Transfers.
        static_pj: Leakage and idle clocks over the time of the op.
        sram_bytes: Read from and written to SRAM.
        mram_bytes: Weights read.
        noc_bytes: Sent over the network, a multicast counted once.
        weight_bytes: Weights that have to reside in the macros.
        macro_bytes: Those of one macro.
    """

    possible: BoolArray
    npu_cycles: FloatArray
    cim_cycles: FloatArray
    fetch_cycles: FloatArray
    transfer_cycles: FloatArray
    tail_cycles: FloatArray
    mac_pj: FloatArray
    sram_pj: FloatArray
    mram_pj: FloatArray
    noc_pj: FloatArray
    static_pj: FloatArray
    sram_bytes: FloatArray
    mram_bytes: FloatArray
    noc_bytes: FloatArray
    weight_bytes: FloatArray
    macro_bytes: FloatArray

    @property
    def cycles(self) -> FloatArray:
        """Time of the op."""
        npu = self.fetch_cycles + self.npu_cycles
        return np.maximum(npu, self.transfer_cycles + self.cim_cycles) + self.tail_cycles

    @property
    def energy_pj(self) -> FloatArray:
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


@dataclass(frozen=True)
class _Moves:
    """Bytes of each transfer before an op, (p, k), and whether it can be."""

    possible: BoolArray
    fetch: FloatArray
    multicast: FloatArray
    scatter: FloatArray
    exchange: FloatArray


def op_costs(previous: Shares | None, shares: Shares, soc: SoC, *, later_bytes: float = 0.0) -> OpCosts:
    """Costs of all ways of one op.

    Args:
        previous: The op before, if its output may stay at the macros; else None, and p = 1.
        shares: The op.
        soc: Where it runs.
        later_bytes: Bytes that go to the macros along with the input where that comes from SRAM, for an op
            after this one: V of all heads, with the scores.
    """
    moves = _moves(previous, shares, later_bytes)
    works = shares.channels < channels_of(shares.op)  # (k,) whether the macros have a share
    back = np.stack([shares.returned, np.zeros_like(shares.returned)], axis=-1)  # (k, 2)
    kept = shares.returned[:, None] - back
    cim = {name: column[:, None, :, None] for name, column in vars(shares.cim).items()}  # (m, 1, k, 1)
    choices = np.array(macro_options(soc), dtype=np.float64)[:, None, None, None]

    fetch, multicast, scatter, exchange = (
        part[None, :, :, None] for part in (moves.fetch, moves.multicast, moves.scatter, moves.exchange)
    )
    returning = back[None, None, :, :]
    fetch_cycles, transfer_cycles, noc_pj = _on_network(soc, fetch, multicast, scatter, exchange, returning)
    npu_cycles = shares.npu_cycles[None, None, :, None]
    tail_cycles = shares.tail_cycles[None, None, :, None]
    busy = np.where(works[None, None, :, None], transfer_cycles + cim["cycles"], 0.0)
    cycles = np.maximum(fetch_cycles + npu_cycles, busy) + tail_cycles

    gelu = 2.0 * back if shares.op.fused_gelu else np.zeros_like(back)  # the tail reads and writes once more
    sram_bytes = shares.npu_sram_bytes[None, None, :, None] + (
        fetch + multicast + scatter + returning + gelu[None, None]
    )
    buffered = choices * multicast + scatter + np.maximum(choices - 1.0, 0.0) * exchange + kept[None, None]
    input_energy = soc.cim.input_energy.value if soc.cim is not None else 0.0
    leak = soc.picojoules_per_cycle(soc.cim.leakage.value) if soc.cim is not None else 0.0
    npu_mac_energy = soc.npu.mac_energy.value if soc.has_npu else 0.0
    mram = shares.npu_mram_bytes[None, None, :, None]
    return OpCosts(
        possible=_possible(shares, moves, kept, soc),
        npu_cycles=npu_cycles,
        cim_cycles=cim["cycles"],
        fetch_cycles=fetch_cycles,
        transfer_cycles=transfer_cycles,
        tail_cycles=tail_cycles,
        mac_pj=on_grid((shares.npu_macs * npu_mac_energy)[None, None, :, None] + cim["mac_pj"]),
        sram_pj=on_grid(
            sram_bytes * soc.memory.sram_energy.value + cim["input_pj"] + buffered * input_energy
        ),
        mram_pj=on_grid(mram * soc.memory.mram_read_energy.value + cim["read_pj"]),
        noc_pj=noc_pj,
        static_pj=on_grid(soc.idle_pj_per_cycle * cycles + leak * choices * busy),
        sram_bytes=sram_bytes,
        mram_bytes=mram + cim["read_bytes"],
        noc_bytes=fetch + multicast + scatter + exchange + returning,
        weight_bytes=cim["weight_bytes"],
        macro_bytes=cim["macro_bytes"],
    )


def _moves(previous: Shares | None, shares: Shares, later_bytes: float) -> _Moves:
    """What has to move before the op can begin, by placement of its input and split of its output."""
    op, count = shares.op, len(shares.channels)
    places = len(previous.channels) if previous is not None else 1
    on_cim = shares.channels < channels_of(op)
    possible = np.zeros((places, count), dtype=bool)
    fetch, multicast, scatter, exchange = (np.zeros((places, count)) for _ in range(4))

    possible[-1] = True
    own = op.kind == "depthwise" or op.kind in PRODUCTS  # a macro needs its own channels or heads only
    later = later_bytes * (1.0 - shares.channels / channels_of(op))
    (scatter if own else multicast)[-1] = shares.received + later
    if previous is None or places == 1:
        return _Moves(possible, fetch, multicast, scatter, exchange)

    at_sram = previous.channels[:-1] / channels_of(previous.op)  # (p - 1,) share of the map in SRAM
    if own:
        same = np.abs(at_sram[:, None] - (shares.channels / channels_of(op))[None, :]) < 1e-9
        possible[:-1] = same & on_cim[None, :]
        if is_projection(previous.op):
            # Q, K and V of a head were made by several macros.
            exchange[:-1] = np.where(possible[:-1], previous.returned[:-1, None], 0.0)
        return _Moves(possible, fetch, multicast, scatter, exchange)

    possible[:-1] = True
    at_macros = previous.returned[:-1, None]  # (p - 1, 1) bytes
    rest = previous.op.output_bytes - at_macros
    fetch[:-1] = np.where(shares.channels > 0, at_macros, 0.0)
    multicast[:-1] = np.where(on_cim, rest, 0.0)
    exchange[:-1] = np.where(on_cim, at_macros, 0.0)
    return _Moves(possible, fetch, multicast, scatter, exchange)


def _possible(shares: Shares, moves: _Moves, kept: FloatArray, soc: SoC) -> BoolArray:
    """Shape (m, p, k, 2)."""
    allowed = moves.possible & shares.allowed[None, :]
    room = soc.cim.buffer.value * 1024 if soc.cim is not None else 0.0
    choices = np.maximum(np.array(macro_options(soc), dtype=np.float64), 1.0)[:, None]
    share = kept[None, :, STAY] / choices  # (m, k)
    stays = (share > 0) & (share <= room) & (not shares.op.fused_gelu)
    modes = np.stack([np.ones_like(stays), stays], axis=-1)  # (m, k, 2)
    return allowed[None, :, :, None] & modes[:, None]


def _on_network(
    soc: SoC,
    fetch: FloatArray,
    multicast: FloatArray,
    scatter: FloatArray,
    exchange: FloatArray,
    returning: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Cycles of the fetch, of all transfers, and energy, each (m, p, k, 2); one transfer after the other."""
    if soc.noc is None:
        none = np.zeros((1, 1, 1, 1))
        return none, none, none
    traffic = [soc.noc.traffic(count) for count in macro_options(soc)]
    total_cycles = total_pj = fetch_cycles = np.zeros((1, 1, 1, 1))
    for name, moved in (
        ("gather", fetch),
        ("multicast", multicast),
        ("scatter", scatter),
        ("exchange", exchange),
        ("gather", returning),
    ):
        if not moved.any():
            continue
        cycles, energy = _moved(soc.noc, [getattr(one, name) for one in traffic], moved)
        if moved is fetch:
            fetch_cycles = cycles
        total_cycles, total_pj = total_cycles + cycles, total_pj + energy
    return fetch_cycles, total_cycles, total_pj


def _moved(noc: Noc, patterns: list[Pattern], moved: FloatArray) -> tuple[FloatArray, FloatArray]:
    cycles = np.concatenate([noc.cycles(pattern, moved) for pattern in patterns])
    energy = np.concatenate([noc.energy_pj(pattern, moved) for pattern in patterns])
    return on_grid(cycles), on_grid(energy)
