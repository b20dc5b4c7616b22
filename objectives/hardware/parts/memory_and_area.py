"""Memories and areas of a chip: SRAM for activations, on-chip MRAM for weights, and areas of the parts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.errors import DocumentError


@dataclass(frozen=True)
class Memory(Section):
    """Constants of the memories (section `memory` of a SoC file).

    `mram_read_energy` applies to the weights that the NPU reads; macros state their own read energy.
    """

    sram_capacity: Annotated[Quantity, Unit("MiB")]
    sram_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]
    sram_leakage: Annotated[Quantity, Unit("mW/MiB", zero=True)]
    mram_read_energy: Annotated[Quantity, Unit("pJ/B", zero=True)]

    @property
    def sram_bytes(self) -> float:
        """Capacity of the SRAM in bytes."""
        return self.sram_capacity.value * 1024**2

    @property
    def leakage_mw(self) -> float:
        """Leakage of the whole SRAM in mW; MRAM needs no power to keep its content."""
        return self.sram_leakage.value * self.sram_capacity.value


@dataclass(frozen=True)
class PartAreas(Section):
    """Areas of the parts of a chip (section `area` of a SoC file); None where the area is unknown.

    Attributes:
        npu: The NPU with its internal memory.
        macro: One macro without its compute units: the memory bank and its read circuits.
        unit: One compute unit, or parallel tile, of a macro.
        controller: The controller that hands windows of the input map to the units of a macro.
    """

    npu: Annotated[Quantity | None, Unit("mm2")] = None
    macro: Annotated[Quantity | None, Unit("mm2/macro")] = None
    unit: Annotated[Quantity | None, Unit("mm2/unit")] = None
    controller: Annotated[Quantity | None, Unit("mm2/macro", zero=True)] = None

    def total_mm2(self, chip: str, *, has_npu: bool, macros: int, units: int) -> float:
        """Area of NPU and macros in mm2: ``npu + macros * (macro + controller + units * unit)``.

        Args:
            chip: Name of the SoC file, for messages.
            has_npu: Whether the chip has an NPU.
            macros: Number of macros.
            units: Compute units per macro.

        Raises:
            DocumentError: An area that is needed is missing.
        """

        def area_of(name: str) -> float:
            number: Quantity | None = getattr(self, name)
            if number is None:
                raise DocumentError(
                    f"objective 'area' needs area.{name}, but hardware {chip!r} does not state it; add it to "
                    f"the SoC file with value, unit, source, low and high, or use another chip, such as "
                    f"u55-256-cim8"
                )
            return number.value

        total = area_of("npu") if has_npu else 0.0
        if not macros:
            return total
        controller = self.controller.value if self.controller is not None else 0.0
        return total + macros * (area_of("macro") + controller + units * area_of("unit"))

    @property
    def digest(self) -> str:
        """SHA-256 of the values."""
        values = {name: number.value for name, number in self.quantities()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
