"""Network-on-chip between SRAM and the CIM macros: one shared path, one transfer at a time.

A feature map that several macros need is broadcast: it crosses the path once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from objectives.hardware.op import FloatArray
from objectives.hardware.quantity import Quantity, Section, Unit


@dataclass(frozen=True)
class Noc(Section):
    """Constants of the path (section `noc` of a SoC file)."""

    hops: Annotated[Quantity, Unit("hop", whole=True)]
    hop_cycles: Annotated[Quantity, Unit("cycle/hop", zero=True)]
    bandwidth: Annotated[Quantity, Unit("B/cycle")]
    hop_energy: Annotated[Quantity, Unit("pJ/B/hop", zero=True)]

    def cycles(self, transferred: FloatArray) -> FloatArray:
        """Cycles (n,) of one transfer of `transferred` bytes (n,); no bytes take no time."""
        latency = self.hops.value * self.hop_cycles.value
        return np.where(transferred > 0, latency + transferred / self.bandwidth.value, 0.0)

    def energy_pj(self, transferred: FloatArray) -> FloatArray:
        """Energy (n,) in pJ of `transferred` bytes (n,) over all hops."""
        return transferred * self.hops.value * self.hop_energy.value
