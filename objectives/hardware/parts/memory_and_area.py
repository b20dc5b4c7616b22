"""Energy of the memories next to the NPU: SRAM for activations, on-chip MRAM for its weights."""

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


@dataclass(frozen=True)
class Area(Section):
    """Areas of the parts (section `area` of a SoC file), each left out where nobody knows it.

    Attributes:
        npu: The NPU with its internal memory.
        macro: One macro without its compute units: the bank, with what reads it.
        unit: One compute unit, or parallel tile, of a macro.
    """

    npu: Annotated[Quantity | None, Unit("mm2")] = None
    macro: Annotated[Quantity | None, Unit("mm2/macro")] = None
    unit: Annotated[Quantity | None, Unit("mm2/unit")] = None

    def total_mm2(self, chip: str, *, has_npu: bool, macros: int, units: int) -> float:
        """Area of NPU and macros in mm2: ``npu + macros * (macro + units * unit)``.

        Args:
            chip: What the SoC file is called, for the message.
            has_npu: Whether there is an NPU.
            macros: Number of macros.
            units: Compute units of each macro.

        Raises:
            DocumentError: A number that is needed is missing.
        """

        def needed(name: str) -> float:
            number: Quantity | None = getattr(self, name)
            if number is None:
                raise DocumentError(
                    f"hardware {chip!r} states no area.{name}, which 'area' needs: add it to the chip's file "
                    f"with value, unit, source, low and high, or take another chip, such as u55-256-cim8"
                )
            return number.value

        total = needed("npu") if has_npu else 0.0
        return total + (macros * (needed("macro") + units * needed("unit")) if macros else 0.0)

    @property
    def digest(self) -> str:
        """SHA-256 of the values."""
        values = {name: number.value for name, number in self.quantities()}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
