"""Latency and energy of subnets on a SoC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from objectives.hardware.chip import Chip
from objectives.hardware.cost_model import CostModel
from objectives.hardware.soc import SoC
from objectives.objective import Design, Direction, FloatArray, Objective
from objectives.workload import ops_of, read_again, workload
from search_space.subnet import Subnet


def network_totals(costs: CostModel, subnets: Sequence[Subnet]) -> tuple[FloatArray, FloatArray]:
    """Latency in ms and energy in mJ of subnets, each (n,)."""
    workloads = [workload(subnet) for subnet in subnets]
    return costs.totals([ops_of(steps) for steps in workloads], [read_again(steps) for steps in workloads])


@dataclass(frozen=True)
class Latency:
    """Time of one inference in ms, batch 1, in the mapping that `costs` chooses.

    Attributes:
        costs: Model of the SoC; shared with `Energy`, so that an op is costed once.
    """

    costs: CostModel
    name: ClassVar[str] = "lat"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "min"
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Latencies in ms (n,)."""
        return network_totals(self.costs, subnets)[0]

    def fingerprint(self) -> dict[str, str]:
        """SoC and version of the cost model."""
        return self.costs.fingerprint()


@dataclass(frozen=True)
class Energy:
    """Energy of one inference in mJ, static power included, in the mapping that `Latency` takes.

    Attributes:
        costs: Model of the SoC.
    """

    costs: CostModel
    name: ClassVar[str] = "energy"
    unit: ClassVar[str] = "mJ"
    direction: ClassVar[Direction] = "min"
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Energies in mJ (n,)."""
        return network_totals(self.costs, subnets)[1]

    def fingerprint(self) -> dict[str, str]:
        """SoC and version of the cost model."""
        return self.costs.fingerprint()


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


class PerChip:
    """An objective that the chip decides as well as the network, made for each chip when first asked for.

    Args:
        create: Makes the objective of one chip; name, unit and direction are the same for all.
        greatest: The chip whose objective stands for all where no chip is named, and in the fingerprint: its
            tiles are all that others stand on.
    """

    def __init__(self, create: Callable[[Chip], Objective], greatest: Chip) -> None:
        self._create = create
        self._made: dict[Chip, Objective] = {}
        self._greatest = self._of(greatest)

    def _of(self, chip: Chip) -> Objective:
        if chip not in self._made:
            self._made[chip] = self._create(chip)
        return self._made[chip]

    @property
    def name(self) -> str:
        """As on the command line."""
        return self._greatest.name

    @property
    def unit(self) -> str:
        """Of the values."""
        return self._greatest.unit

    @property
    def direction(self) -> Direction:
        """Whether more or less is better."""
        return self._greatest.direction

    @property
    def is_expensive(self) -> bool:
        """Whether one value takes noticeable time."""
        return self._greatest.is_expensive

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        """Values (n,) on the greatest chip."""
        return self._greatest(subnets)

    def on_chips(self, designs: Sequence[Design]) -> FloatArray:
        """Values (n,) of networks, each on its own chip; a chip is asked once, about all of its networks."""
        rows: dict[Chip, list[int]] = {}
        for row, design in enumerate(designs):
            rows.setdefault(design.chip, []).append(row)
        values = np.empty(len(designs))
        for chip, places in rows.items():
            values[places] = self._of(chip)([designs[place].subnet for place in places])
        return values

    def fingerprint(self) -> dict[str, str]:
        """That of the greatest chip; others follow from it and from the choices of the study."""
        return self._greatest.fingerprint()
