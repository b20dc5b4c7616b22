"""Memories and areas of a chip: SRAM for activations, the weight store of the NPU, and areas of the parts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from objectives.hardware.parts.sourced_number import Quantity, Section, Unit
from objectives.hardware.parts.sram_energy import SramEnergyTable
from objectives.hardware.parts.weight_store import WeightStore
from search_space.errors import DocumentError


@dataclass(frozen=True)
class Memory(Section):
    """Constants of the memories (section `memory` of a SoC file).

    Attributes:
        sram_capacity: Size of the SRAM.
        sram_leakage: Leakage of the SRAM.
        sram_energy: Energy of a byte read or written, where it is known; else it follows from the table.
        sram_energy_table: Energies by the size of the SRAM.
        sram_energy_factor: Factor on the energies of the table, for sensitivity studies.
        weight_store: Memory of the NPU's weights; macros state their own read energy. None on a chip without
            an NPU.

    Raises:
        DocumentError: Neither an energy nor a table is given.
    """

    sram_capacity: Annotated[Quantity, Unit("MiB")]
    sram_leakage: Annotated[Quantity, Unit("mW/MiB", zero=True)]
    sram_energy: Annotated[Quantity | None, Unit("pJ/B", zero=True)] = field(default=None, kw_only=True)
    sram_energy_table: SramEnergyTable | None = field(default=None, kw_only=True)
    sram_energy_factor: Annotated[Quantity | None, Unit("pJ/pJ")] = field(default=None, kw_only=True)
    weight_store: WeightStore | None = field(default=None, kw_only=True)

    def check_quantities(self, name: str) -> None:
        """As `Section.check_quantities`; also checks that the energy of the SRAM is known.

        Raises:
            DocumentError: Neither an energy nor a table is given, or a quantity is wrong.
        """
        super().check_quantities(name)
        if self.sram_energy is None and self.sram_energy_table is None:
            raise DocumentError(
                f"{name}.sram_energy: this key is missing; state it, or {name}.sram_energy_table"
            )

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """As `Section.quantities`, without the factor where no table is in use."""
        for name, number in super().quantities():
            if name != "sram_energy_factor" or self.sram_energy is None:
                yield name, number

    @property
    def sram_bytes(self) -> float:
        """Capacity of the SRAM in bytes."""
        return self.sram_capacity.value * 1024**2

    @property
    def sram_pj_per_byte(self) -> float:
        """Energy of a byte read or written: the stated one, else that of the table at the SRAM's size."""
        if self.sram_energy is not None:
            return self.sram_energy.value
        assert self.sram_energy_table is not None
        factor = 1.0 if self.sram_energy_factor is None else self.sram_energy_factor.value
        return factor * self.sram_energy_table.at(self.sram_capacity.value * 1024)

    @property
    def weight_pj_per_byte(self) -> float:
        """Energy of a weight byte read from the store."""
        return self.weight_store.read_energy.value if self.weight_store is not None else 0.0

    @property
    def weight_network_pj_per_byte(self) -> float:
        """Energy of a weight byte on its way to the NPU."""
        return self.weight_store.network_pj_per_byte if self.weight_store is not None else 0.0

    @property
    def leakage_mw(self) -> float:
        """Leakage of the SRAM and the weight store in mW."""
        store = self.weight_store.leakage_mw if self.weight_store is not None else 0.0
        return self.sram_leakage.value * self.sram_capacity.value + store


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
