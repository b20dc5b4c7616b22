"""Energy of the memories next to the NPU: SRAM for activations, on-chip MRAM for its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from objectives.hardware.parts.sourced_number import Quantity, Section, Unit


@dataclass(frozen=True)
class Memory(Section):
    """Constants of the memories (section `memory` of a SoC file).

    `mram_read_energy` is that of the weights the NPU streams in; macros have a bank of their own.
    """

    sram_capacity: Annotated[Quantity, Unit("MiB")]
    sram_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    sram_leakage: Annotated[Quantity, Unit("mW/MiB", zero=True)]
    mram_read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]

    @property
    def leakage_mw(self) -> float:
        """Leakage of the whole SRAM in mW; MRAM keeps its contents without power."""
        return self.sram_leakage.value * self.sram_capacity.value
