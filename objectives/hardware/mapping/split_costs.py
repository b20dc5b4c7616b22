"""Splits of an op: how NPU and macros divide its output channels, and the cost of each share.

Convolutions, depthwise convolutions and linear layers are split by output channels, in steps of the NPU's
granularity. A joint q/k/v projection is split by whole heads, so that Q, K and V of a head stay together, or
by whole matrices (Q | K V, Q K | V). Products of two activations and their softmax have no weights: they are
split by heads where the macros run them, and run on the NPU otherwise. Every other op runs on the NPU.

Costs in this file do not depend on where data lies; `placement.py` adds that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from objectives.hardware.measurements.measured_macros import ratio
from objectives.hardware.npu_model import AnalyticNpu, NpuModel, npu_costs
from objectives.hardware.op import Op, OpArrays
from objectives.hardware.parts.cim import RUNS, CimCost
from objectives.hardware.parts.macro_cost import macro_cost
from objectives.hardware.parts.npu import NoNpuError
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats

PRODUCTS = ("matmul", "softmax")

MAPPINGS = ("latency", "energy", "edp", "npu", "cim")
"""Cost that a mapping minimises, or the one device that it uses."""

_GRID = 1024.0


def on_grid(values: Floats) -> Floats:
    """`values` rounded to multiples of 1/1024 cycle or pJ, so that sums are exact in any order."""
    grid: Floats = np.rint(values * _GRID)
    return grid / _GRID


def channels_of(op: Op) -> int:
    """Channels to divide between devices: output channels, of all heads for products and softmax."""
    return op.out_channels * (op.heads if op.kind in PRODUCTS else 1)


def leaves_npu(op: Op, soc: SoC) -> bool:
    """Whether macros of `soc` can run `op`."""
    return op.kind in soc.macro_kinds


def channel_options(op: Op, soc: SoC, mapping: str = "latency") -> list[int]:
    """Numbers of channels that the NPU may compute, ascending; the last is all of them.

    Raises:
        NoNpuError: The chip has no NPU, but the op or the mapping needs one.
    """
    whole = channels_of(op)
    if not soc.has_npu:
        _check_without_npu(op, soc, mapping)
    if mapping == "npu" or not leaves_npu(op, soc):
        return [whole]
    if mapping == "cim":
        return [0, whole]
    if op.kind in PRODUCTS:
        return list(range(0, whole + 1, op.out_channels))
    if op.heads > 1:
        by_head = range(0, whole + 1, whole // op.heads)
        matrices = range(0, whole + 1, whole // 3) if whole % 3 == 0 else ()
        return sorted({*by_head, *matrices})
    return [*range(0, whole, soc.npu.channel_step), whole]


def _check_without_npu(op: Op, soc: SoC, mapping: str) -> None:
    if mapping != "cim":
        raise NoNpuError(
            f"mapping {mapping!r} needs an NPU, but hardware {soc.name!r} has none; use mapping 'cim'"
        )
    if not leaves_npu(op, soc) or op.fused_gelu:
        raise NoNpuError(
            f"op {op.kind} {op.shape}{' with GELU' if op.fused_gelu else ''} cannot run on hardware "
            f"{soc.name!r}: its macros run {', '.join(soc.macro_kinds)}, and it has no NPU for anything else"
        )


def macro_options(soc: SoC) -> list[int]:
    """Numbers of macros that a network may use: 1, 2, 4, ... and all; [0] without macros.

    The first macros are nearest to SRAM, so a small network may gain by leaving the others idle.
    """
    if soc.macros == 0:
        return [0]
    return sorted(
        {2**power for power in range(soc.macros.bit_length()) if 2**power <= soc.macros} | {soc.macros}
    )


@dataclass(frozen=True)
class SplitCosts:
    """Costs of NPU and macros for k splits of one op and m numbers of macros, without transfers.

    Attributes:
        op: The op.
        channels: Channels on the NPU (k,), ascending; the last is all of them.
        allowed: Whether the mapping may use the split (k,).
        npu_cycles: Time of the NPU's share (k,).
        npu_waits: Whether memory sets the pace of the NPU (k,).
        npu_macs: Multiply-accumulates of the NPU's share (k,).
        npu_sram_bytes: Activation bytes that the NPU's share moves (k,).
        npu_mram_bytes: Weight bytes that the NPU's share reads (k,).
        npu_energy_factor: Measured over modelled energy of the NPU's share (k,); 1 without measurements.
        cim: Costs of the macros' share, each array (m, k).
        received: Input bytes of the macros' share (k,).
        returned: Output bytes of the macros' share (k,).
        tail_cycles: Time of GELU for the macros' share, on the NPU (k,).
        pieces: Pieces in which the input passes through the macros.
    """

    op: Op
    channels: Floats
    allowed: Booleans
    npu_cycles: Floats
    npu_waits: Booleans
    npu_macs: Floats
    npu_sram_bytes: Floats
    npu_mram_bytes: Floats
    npu_energy_factor: Floats
    cim: CimCost
    received: Floats
    returned: Floats
    tail_cycles: Floats
    pieces: float


def split_costs(
    ops: Sequence[Op], soc: SoC, mapping: str = "latency", npu_model: NpuModel | None = None
) -> list[SplitCosts]:
    """Costs of all splits of n ops, computed together.

    Args:
        ops: n ops; may be empty.
        soc: The chip.
        mapping: One of `MAPPINGS`; `npu` and `cim` exclude some splits.
        npu_model: Model of the NPU's cycles; default: the closed form.

    Raises:
        NoNpuError: The chip has no NPU, but an op or the mapping needs one.
    """
    if not ops:
        return []
    options = [channel_options(op, soc, mapping) for op in ops]
    counts = np.array([len(option) for option in options])
    whole = OpArrays.of(ops).repeated(counts)  # (sum of k,)
    on_npu = np.concatenate(options).astype(np.float64)
    on_macros = np.repeat([float(channels_of(op)) for op in ops], counts) - on_npu

    npu = _npu_costs(part_of(whole, on_npu), on_npu > 0, soc, npu_model)
    macro_part, uses_macros = part_of(whole, on_macros), on_macros > 0
    cim = _cim_costs(macro_part, uses_macros, soc)
    returned = np.where(uses_macros, macro_part.output_bytes, 0.0)
    gelu_cycles = soc.npu.activation_cycles.value if soc.has_npu else 0.0
    columns = {
        "channels": on_npu,
        **npu,
        "received": np.where(uses_macros, macro_part.input_bytes, 0.0),
        "returned": returned,
        "tail_cycles": on_grid(np.where(whole.fused_gelu, gelu_cycles * returned, 0.0)),
    }
    costs, start = [], 0
    for op, count in zip(ops, counts, strict=True):
        rows = slice(start, start + int(count))
        allowed = np.ones(int(count), dtype=bool)
        if mapping == "cim" and count > 1:
            allowed[-1] = False
        costs.append(
            SplitCosts(
                op=op,
                allowed=allowed,
                pieces=_pieces(op, soc),
                cim=CimCost(*(column[:, rows] for column in vars(cim).values())),
                **{name: column[rows] for name, column in columns.items()},
            )
        )
        start += int(count)
    return costs


def _pieces(op: Op, soc: SoC) -> float:
    """Pieces in which the input of `op` passes: rows of outputs at most, or positions without overlap."""
    if soc.cim is None:
        return 1.0
    rows = op.out_size[0] if max(op.window) > op.stride else op.positions
    return min(soc.cim.pieces, float(rows))


def part_of(ops: OpArrays, channels: Floats) -> OpArrays:
    """The share of each op (n,) with `channels` (n,); callers drop the costs of shares of 0 channels."""
    product = ops.is_kind(*PRODUCTS)
    part = ops.with_out_channels(np.where(product, ops.out_channels, np.maximum(channels, 1.0)))
    heads = np.where(product, np.maximum(channels / ops.out_channels, 1.0), ops.heads)
    return OpArrays(**{**vars(part), "heads": heads})


def _npu_costs(part: OpArrays, runs: Booleans, soc: SoC, npu_model: NpuModel | None) -> dict[str, Any]:
    """Costs of the NPU's shares, arrays (n,) by their names in `SplitCosts`."""
    if not soc.has_npu:
        none = np.zeros(len(part))
        names = ("npu_cycles", "npu_macs", "npu_sram_bytes", "npu_mram_bytes")
        return {"npu_waits": none > 0, "npu_energy_factor": none + 1.0, **dict.fromkeys(names, none)}
    model = npu_model or AnalyticNpu(soc.npu)
    used = part.repeated(runs.astype(np.int64))
    cycles, sram_bytes, weight_bytes = np.zeros((3, len(part)))
    waits = np.ones(len(part), dtype=bool)
    cycles[runs], sram_bytes[runs], weight_bytes[runs], waits[runs] = npu_costs(used, soc.npu, model)
    factor = np.ones(len(part))
    if soc.measured_npu_energy is not None:
        modelled = soc.npu_energy_pj(part)
        factor = ratio(soc.measured_npu_energy.of(part, modelled=modelled), modelled)
    return {
        "npu_energy_factor": factor,
        "npu_cycles": on_grid(cycles),
        "npu_waits": waits & part.is_kind(*RUNS),
        "npu_macs": np.where(runs, part.macs, 0.0),
        "npu_sram_bytes": sram_bytes,
        "npu_mram_bytes": weight_bytes,
    }


def _cim_costs(part: OpArrays, runs: Booleans, soc: SoC) -> CimCost:
    """Costs of the macros' shares (n,) for every number of macros: arrays (m, n)."""
    choices = macro_options(soc)
    if soc.cim is None:
        return CimCost.none((len(choices), len(part)))
    macros = np.array(choices, dtype=np.float64)[:, None]
    cost = macro_cost(soc.cim, soc.digital, part, macros, soc.clock_mhz)
    if soc.measured_macros is not None:
        cost = soc.measured_macros.corrected(cost, part, macros[:, 0])
    columns = {name: np.where(runs, column, 0) for name, column in vars(cost).items()}
    columns["waits"] = columns["waits"].astype(bool)
    columns["cycles"] = on_grid(columns["cycles"])
    return CimCost(**columns)
