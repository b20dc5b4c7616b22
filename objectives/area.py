"""Area of the chip: the same for every subnet, until chips are searched together with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from objectives.hardware.soc import SoC
from objectives.objective import Direction, FloatArray
from search_space.subnet import Subnet

VERSION = "1"
"""Changes whenever equal SoC files may have another area than before."""


@dataclass(frozen=True)
class Area:
    """Area of NPU and macros in mm2; `objectives.hardware.parts.area` says what is not counted.

    Attributes:
        soc: The chip.

    Raises:
        DocumentError: The chip's file lacks a number for it.
    """

    soc: SoC
    name: ClassVar[str] = "area"
    unit: ClassVar[str] = "mm2"
    direction: ClassVar[Direction] = "min"
    is_expensive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.soc.area_mm2

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """The chip's area in mm2 for each subnet (n,)."""
        return np.full(len(subnets), self.soc.area_mm2)

    def fingerprint(self) -> dict[str, str]:
        """Numbers of macros and units, areas of the parts, and version of the sum."""
        return {
            "hardware": self.soc.name,
            "area_parts": f"{self.soc.macros} macros of {self.soc.units} units",
            "area_digest": self.soc.area.digest,
            "area_version": VERSION,
        }
