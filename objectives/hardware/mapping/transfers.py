"""Transfers of an op over the network-on-chip: bytes, time, energy, and overlap with work."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping.split_costs import macro_options, on_grid
from objectives.hardware.parts.noc import Pattern
from objectives.hardware.soc import SoC
from search_space.arrays import Floats


@dataclass(frozen=True)
class Transfers:
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
class NetworkCosts:
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


def network_costs(soc: SoC, transfers: Transfers) -> NetworkCosts:
    none = np.zeros((1, 1, 1, 1))
    if soc.noc is None:
        return NetworkCosts(none, none, none, none, is_bus=False)
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
        each = Pattern.each([getattr(ways, pattern) for ways in traffic])
        times[part] = times[part] + on_grid(soc.noc.cycles(each, moved))
        energy_pj = energy_pj + on_grid(soc.noc.energy_pj(each, moved))
    return NetworkCosts(
        times["fetch"], times["arriving"], times["returning"], energy_pj, soc.noc.topology == "bus"
    )
