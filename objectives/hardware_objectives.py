"""Latency, energy, power and area: objectives that depend on the chip.

Latency and energy are those of the mapping that the cost model chooses. A quantity that follows from these
two alone derives from `TotalsObjective`, which also makes it known to the tables that cost whole populations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from objectives.hardware.chip import Chip
from objectives.hardware.cost_model import CostModel, NetworkCost
from objectives.hardware.frame_rate import average_mw
from objectives.objective import (
    Declaration,
    Dependency,
    Design,
    Direction,
    Objective,
    ObjectiveError,
    declaration,
)
from objectives.workload import Step, ops_of, read_again, spilt_bytes, workload
from search_space.arrays import Floats
from search_space.subnet import Subnet


def network_totals(costs: CostModel, subnets: Sequence[Subnet]) -> tuple[Floats, Floats]:
    """Latency in ms and energy in mJ of subnets, each (n,), spilt activations included."""
    workloads = [workload(subnet) for subnet in subnets]
    totals = costs.totals([ops_of(steps) for steps in workloads], [read_again(steps) for steps in workloads])
    if costs.spill is None:
        return totals
    spilt = [spilt_bytes(steps, costs.spill.sram_bytes) for steps in workloads]
    return costs.spill.added(*totals, np.array(spilt, dtype=np.float64))


def mapped_totals(costs: CostModel, steps: Sequence[Step], cost: NetworkCost) -> tuple[float, float]:
    """Latency in ms and energy in mJ of a network in its mapping, spilt activations included.

    Args:
        costs: Model of the SoC.
        steps: The network.
        cost: Its cost by `costs`.
    """
    if costs.spill is None:
        return cost.latency_ms, cost.energy_mj
    spilt = np.array(spilt_bytes(steps, costs.spill.sram_bytes))
    latency, energy = costs.spill.added(np.array(cost.latency_ms), np.array(cost.energy_mj), spilt)
    return float(latency), float(energy)


@dataclass(frozen=True)
class TotalsObjective(ABC):
    """A function of latency and energy of one inference; smaller is better.

    Attributes:
        costs: Model of the SoC; shared by all objectives of a study, so that an op is costed once.
    """

    costs: CostModel
    direction: ClassVar[Direction] = "min"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network", "chip")
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False
    mapped_for: ClassVar[tuple[str, ...]] = ("latency", "energy")
    """Mappings that give the best values, one of them each."""

    @abstractmethod
    def of_totals(self, latency_ms: Floats, energy_mj: Floats) -> Floats:
        """Values (n,) from latencies in ms (n,) and energies in mJ (n,)."""

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values (n,)."""
        return self.of_totals(*network_totals(self.costs, subnets))

    def fingerprint(self) -> dict[str, str]:
        """SoC and version of the cost model."""
        return self.costs.fingerprint()


class Latency(TotalsObjective):
    """Time of one inference in ms, batch 1.

    Example:
        >>> from objectives import CostModel, Latency, load_soc
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> small, large = space.decode(space.smallest()), space.decode(space.largest())
        >>> latencies = Latency(CostModel(load_soc("u55-256-cim8")))([small, large])
        >>> latencies.shape, bool(latencies[0] < latencies[1])
        ((2,), True)
    """

    name: ClassVar[str] = "lat"
    unit: ClassVar[str] = "ms"
    mapped_for: ClassVar[tuple[str, ...]] = ("latency",)

    def of_totals(self, latency_ms: Floats, energy_mj: Floats) -> Floats:  # noqa: ARG002
        """The latencies."""
        return latency_ms


class Energy(TotalsObjective):
    """Energy of one inference in mJ, static power included.

    Example:
        >>> from objectives import CostModel, Energy, load_soc
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> small, large = space.decode(space.smallest()), space.decode(space.largest())
        >>> energies = Energy(CostModel(load_soc("u55-256-cim8")))([small, large])
        >>> energies.shape, bool(energies[0] < energies[1])
        ((2,), True)
    """

    name: ClassVar[str] = "energy"
    unit: ClassVar[str] = "mJ"
    mapped_for: ClassVar[tuple[str, ...]] = ("energy",)

    def of_totals(self, latency_ms: Floats, energy_mj: Floats) -> Floats:  # noqa: ARG002
        """The energies."""
        return energy_mj


class Power(TotalsObjective):
    """Average power in mW during one inference: energy divided by latency.

    It is the power of a chip that runs one inference after another without a pause.

    Example:
        >>> from objectives import CostModel, Energy, Latency, Power, load_soc
        >>> from search_space import load_space
        >>> space = load_space("cifar32")
        >>> subnets, costs = [space.decode(space.largest())], CostModel(load_soc("u55-256-cim8"))
        >>> energy_mj, latency_ms = Energy(costs)(subnets), Latency(costs)(subnets)
        >>> bool(Power(costs)(subnets) == 1e3 * energy_mj / latency_ms)
        True
    """

    name: ClassVar[str] = "power"
    unit: ClassVar[str] = "mW"
    follows_size: ClassVar[bool] = False  # A ratio: small and large networks may have the same.

    def of_totals(self, latency_ms: Floats, energy_mj: Floats) -> Floats:
        """1000 mJ/ms are one W, or 1000 mW."""
        return 1e3 * energy_mj / latency_ms


@dataclass(frozen=True)
class PowerAtRate(TotalsObjective):
    """Average power in mW of a chip that runs one inference per frame and sleeps meanwhile.

    Attributes:
        fps: Frames per second.
    """

    fps: float
    unit: ClassVar[str] = Power.unit
    follows_size: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name of the quantity, such as ``power@30fps``."""
        return f"{Power.name}@{self.fps:.12g}fps"

    def of_totals(self, latency_ms: Floats, energy_mj: Floats) -> Floats:
        """Values (n,) from latencies in ms (n,) and energies in mJ (n,)."""
        return average_mw(self.costs.soc, latency_ms, energy_mj, self.fps)


AREA_VERSION = "2"
"""Version of the area. It changes whenever equal SoC files may get another area."""


@dataclass(frozen=True)
class Area:
    """Area of NPU, weight store and macros in mm2; SRAM and network are not counted.

    Attributes:
        costs: Model of the SoC.

    Raises:
        DocumentError: The chip's file lacks a number that the area needs.
    """

    costs: CostModel
    name: ClassVar[str] = "area"
    unit: ClassVar[str] = "mm2"
    direction: ClassVar[Direction] = "min"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("chip",)
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ = self.costs.soc.area_mm2

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """The chip's area in mm2 for each subnet (n,)."""
        return np.full(len(subnets), self.costs.soc.area_mm2)

    def fingerprint(self) -> dict[str, str]:
        """Numbers of macros and units, areas of store and parts, and version of the sum."""
        soc = self.costs.soc
        return {
            "hardware": soc.name,
            "area_parts": (
                f"{soc.macros} macros of {soc.units} units, weight store of {soc.store_area_mm2:g} mm2"
            ),
            "area_digest": soc.area.digest,
            "area_version": AREA_VERSION,
        }


class PerChip:
    """An objective that depends on the chip, created for each chip when it is first needed.

    Args:
        create: Creates the objective of one chip. All of them have the same declaration.
        greatest: The chip of the fingerprint, and of calls without chips. Its tiles include those of the
            others.
        declared: Their declaration; by default that of the created objective.

    Raises:
        ObjectiveError: The objective does not declare that it depends on the chip.
    """

    def __init__(
        self, create: Callable[[Chip], Objective], greatest: Chip, declared: Declaration | None = None
    ) -> None:
        self._create = create
        self._objective_by_chip: dict[Chip, Objective] = {}
        self._greatest = self._on(greatest)
        self._declaration: Declaration = declared or declaration(self._greatest)
        if "chip" not in self._declaration.depends_on:
            raise ObjectiveError(
                f"objective {self.name!r} takes the chip's cost model but declares that it depends on "
                f"{', '.join(self._declaration.depends_on)} only: add 'chip' to its depends_on"
            )

    def _on(self, chip: Chip) -> Objective:
        if chip not in self._objective_by_chip:
            self._objective_by_chip[chip] = self._create(chip)
        return self._objective_by_chip[chip]

    @property
    def name(self) -> str:
        """Name on the command line."""
        return self._declaration.name

    @property
    def unit(self) -> str:
        """Unit of the values."""
        return self._declaration.unit

    @property
    def direction(self) -> Direction:
        """Whether more or less is better."""
        return self._declaration.direction

    @property
    def depends_on(self) -> tuple[Dependency, ...]:
        """What a value depends on, including the chip."""
        return self._declaration.depends_on

    @property
    def follows_size(self) -> bool:
        """Whether all values lie about between those of the smallest and the largest network."""
        return self._declaration.follows_size

    @property
    def is_expensive(self) -> bool:
        """Whether one value takes noticeable time."""
        return self._declaration.is_expensive

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values (n,) on the greatest chip."""
        return self._greatest(subnets)

    def on_chips(self, designs: Sequence[Design]) -> Floats:
        """Values (n,) of networks, each on its own chip. Networks on one chip are measured together."""
        rows_by_chip: dict[Chip, list[int]] = {}
        for row, design in enumerate(designs):
            rows_by_chip.setdefault(design.chip, []).append(row)
        values = np.empty(len(designs))
        for chip, rows in rows_by_chip.items():
            values[rows] = self._on(chip)([designs[row].subnet for row in rows])
        return values

    def fingerprint(self) -> dict[str, str]:
        """The fingerprint on the greatest chip; the others follow from it and the choices of the study."""
        return self._greatest.fingerprint()
