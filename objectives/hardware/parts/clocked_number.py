"""Speed of memories in units of the clock: bandwidths in B/cycle, latencies in cycles.

A chip file may state them per second. They then stay as they are when the clock changes.
"""

from __future__ import annotations

from objectives.hardware.parts.sourced_number import Quantity, Unit

BANDWIDTH = Unit("B/cycle", others=("GB/s", "MB/s"))
"""Unit of a memory's bandwidth."""
LATENCY = Unit("cycle", zero=True, others=("ns",))
"""Unit of a memory's latency."""

_MB_PER_SECOND = {"MB/s": 1.0, "GB/s": 1e3}
_NS_MHZ = 1e-3
"""Cycles per nanosecond and megahertz."""
PORT_BYTES = 8
"""Width of the AXI ports of an Ethos-U55 in bytes: no memory delivers more in a cycle."""


def bytes_per_cycle(bandwidth: Quantity, clock_mhz: float, most: float = PORT_BYTES) -> float:
    """Bytes per cycle of a clock in MHz; of a memory stated per second no more than `most` bytes."""
    if bandwidth.unit == BANDWIDTH.name:
        return bandwidth.value
    return min(bandwidth.value * _MB_PER_SECOND[bandwidth.unit] / clock_mhz, most)


def latency_cycles(latency: Quantity, clock_mhz: float) -> float:
    """Cycles of a clock in MHz."""
    return latency.value * (clock_mhz * _NS_MHZ if latency.unit == "ns" else 1.0)
