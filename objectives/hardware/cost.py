"""Latency and energy of a whole network: the best mapping of each op, within the macros' capacity.

Ops run one after the other. Each takes its fastest schema. Where the weights that would reside in the
macros exceed their capacity, ops are served in the order of cycles saved per byte of weights; each takes the
fastest schema that fits into what is left, at worst the NPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware.mapping import Candidates, OpCost, candidates
from objectives.hardware.op import FloatArray, IntArray, Op
from objectives.hardware.soc import SoC

VERSION = "2"
"""Changes whenever equal networks and SoC files may cost something else than before."""

_PJ_PER_MJ = 1e9


@dataclass(frozen=True)
class NetworkCost:
    """Cost of one network; the totals are the sums over `ops`.

    Attributes:
        latency_ms: Time of one inference.
        energy_mj: Energy of one inference.
        cim_weight_bytes: Weights that reside in the macros.
        ops: Cost of each op, in order.
    """

    latency_ms: float
    energy_mj: float
    cim_weight_bytes: int
    ops: tuple[OpCost, ...]


@dataclass(frozen=True)
class _Schemas:
    """All schemas of one op, and what placing it needs."""

    table: Candidates
    cycles: FloatArray
    energy_pj: FloatArray
    weight_bytes: FloatArray
    ranking: IntArray
    best: int
    best_cycles: float
    best_energy_pj: float
    best_weight_bytes: float

    @classmethod
    def of(cls, table: Candidates) -> _Schemas:
        cycles, energy, ranking = table.cycles, table.energy_pj, table.ranking()
        best = int(ranking[0])
        return cls(
            table=table,
            cycles=cycles,
            energy_pj=energy,
            weight_bytes=table.cim_weight_bytes,
            ranking=ranking,
            best=best,
            best_cycles=float(cycles[best]),
            best_energy_pj=float(energy[best]),
            best_weight_bytes=float(table.cim_weight_bytes[best]),
        )

    @property
    def cycles_saved(self) -> float:
        """Cycles that the best schema saves against the NPU alone, the last row."""
        return float(self.cycles[-1]) - self.best_cycles

    def best_within(self, budget: float) -> int:
        """The best row whose weights fit into `budget` bytes; the NPU alone always does."""
        fits = self.weight_bytes[self.ranking] <= budget
        return int(self.ranking[int(np.argmax(fits))])


class CostModel:
    """Costs networks on one SoC, and remembers every distinct op.

    Args:
        soc: The chip.
    """

    def __init__(self, soc: SoC) -> None:
        self.soc = soc
        self._schemas: dict[Op, _Schemas] = {}

    def fingerprint(self) -> dict[str, str]:
        """What decides the costs of a given network."""
        return {"hardware": self.soc.name, "hardware_digest": self.soc.digest, "cost_model": VERSION}

    def network(self, ops: Sequence[Op]) -> NetworkCost:
        """Cost of one network, op by op.

        Args:
            ops: In order; may be empty.
        """
        self._learn(ops)
        schemas = [self._schemas[op] for op in ops]
        costs = tuple(each.table.row(row) for each, row in zip(schemas, self._place(schemas), strict=True))
        return NetworkCost(
            latency_ms=self.soc.milliseconds(sum(cost.cycles for cost in costs)),
            energy_mj=sum(cost.energy_pj for cost in costs) / _PJ_PER_MJ,
            cim_weight_bytes=sum(cost.cim_weight_bytes for cost in costs),
            ops=costs,
        )

    def totals(self, networks: Sequence[Sequence[Op]]) -> tuple[FloatArray, FloatArray]:
        """Latency and energy of many networks, equal to what `network` says of each.

        Args:
            networks: n networks.

        Returns:
            Latency in ms (n,) and energy in mJ (n,).
        """
        self._learn(op for ops in networks for op in ops)
        latency_ms, energy_mj = np.zeros(len(networks)), np.zeros(len(networks))
        for index, ops in enumerate(networks):
            schemas = [self._schemas[op] for op in ops]
            if self._fits(schemas):
                cycles = sum(each.best_cycles for each in schemas)
                energy_pj = sum(each.best_energy_pj for each in schemas)
            else:
                placed = list(zip(schemas, self._place(schemas), strict=True))
                cycles = sum(float(each.cycles[row]) for each, row in placed)
                energy_pj = sum(float(each.energy_pj[row]) for each, row in placed)
            latency_ms[index] = self.soc.milliseconds(cycles)
            energy_mj[index] = energy_pj / _PJ_PER_MJ
        return latency_ms, energy_mj

    def _learn(self, ops: Iterable[Op]) -> None:
        """Computes all schemas of the ops not seen before, together."""
        new = [op for op in dict.fromkeys(ops) if op not in self._schemas]
        for op, table in zip(new, candidates(new, self.soc), strict=True):
            self._schemas[op] = _Schemas.of(table)

    @property
    def _capacity(self) -> float:
        return self.soc.cim.capacity_bytes if self.soc.cim is not None else 0.0

    def _fits(self, schemas: Sequence[_Schemas]) -> bool:
        return sum(each.best_weight_bytes for each in schemas) <= self._capacity

    def _place(self, schemas: Sequence[_Schemas]) -> list[int]:
        """The row of each op's table that it takes, so that all weights fit into the macros."""
        rows = [each.best for each in schemas]
        if self._fits(schemas):
            return rows
        left = self._capacity
        wanting = [index for index, each in enumerate(schemas) if each.best_weight_bytes > 0]
        wanting.sort(key=lambda index: -schemas[index].cycles_saved / schemas[index].best_weight_bytes)
        for index in wanting:
            rows[index] = schemas[index].best_within(left)
            left -= float(schemas[index].weight_bytes[rows[index]])
        return rows
