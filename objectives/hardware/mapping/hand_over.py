"""Hand-overs between NPU and macros: interrupts and starts.

An Ethos-U55 runs a whole command stream by itself, and the controller of the macros a whole list of jobs.
Work changes hands where an op needs other devices than the one before, and where both share one op after
the other: each then waits for the other's result. Nothing changes hands where every device goes on with
what it made itself. GELU of the macros' share, on the NPU, is one more hand-over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.split_costs import SplitCosts, channels_of, on_grid
from objectives.hardware.soc import SoC
from search_space.arrays import Booleans, Floats, Integers

MACROS_ONLY, BOTH, NPU_ONLY = 0, 1, 2
"""Devices that work on an op; also the placements of a map in SRAM, by the devices that worked last."""

IN_SRAM = 3
"""Number of placements of a map in SRAM; they follow the placements at the macros."""


@dataclass(frozen=True)
class Changes:
    """Cost of the hand-overs of an op, by placement of the input and split, each (p, k)."""

    cycles: Floats
    energy_pj: Floats


def devices(splits: SplitCosts) -> Integers:
    """Devices of each split (k,): `MACROS_ONLY`, `BOTH` or `NPU_ONLY`."""
    channels, whole = splits.channels, channels_of(splits.op)
    return np.where(channels >= whole, NPU_ONLY, np.where(channels > 0, BOTH, MACROS_ONLY))


def last_devices(splits: SplitCosts) -> Integers:
    """Devices that work last on each split (k,)."""
    return np.full(len(splits.channels), NPU_ONLY) if splits.op.fused_gelu else devices(splits)


def hand_overs(before: Integers, splits: SplitCosts, is_in_place: Booleans, soc: SoC) -> Changes:
    """Cost of the hand-overs of an op.

    Args:
        before: Devices that worked last, by placement of the input, (p, 1) or (p, k).
        splits: Splits of the op.
        is_in_place: Whether each device works on what it made itself (p, k).
        soc: The chip.
    """
    if soc.cim is None or not soc.has_npu:
        none = np.zeros(is_in_place.shape)
        return Changes(none, none)
    now = devices(splits)[None, :]
    is_change = (before != now) | ((now == BOTH) & ~is_in_place)
    count = is_change.astype(np.float64)
    if splits.op.fused_gelu:
        count = count + (now != NPU_ONLY)
    cycles, energy_pj = soc.cim.handover
    return Changes(on_grid(count * cycles), on_grid(count * energy_pj))
