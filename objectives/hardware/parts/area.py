"""Silicon area of what a chip computes with: the NPU, and the CIM macros with their compute units.

SRAM, the network-on-chip, the MRAM that holds the NPU's weights, pads and any CPU are not counted: no area of
them is known that fits the rest, and all but the network are the same for every number of macros.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from search_space.errors import DocumentError


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
