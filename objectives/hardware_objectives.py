"""Latency and energy of subnets on a SoC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from objectives.hardware.cost_model import CostModel
from objectives.objective import Direction, FloatArray
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
