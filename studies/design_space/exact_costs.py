"""Quantities that are known exactly for any number of networks at once, without measuring them one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from objectives.hardware import CostModel
from objectives.hardware.chip import Chip
from objectives.objective import FloatArray
from objectives.population.cost_tables import SpaceTables
from objectives.population.size_tables import SIZES, SizeTables
from search_space.arrays import Genotypes
from search_space.space import Space
from studies.design_space.joint_space import by_chip, networks_of

AREA = "area"
COSTS = ("lat", "energy")
TRIED = 1000
LEAST_SHARE = 0.95
"""Of designs that are in tables; the others cost the model's time when they are about to be chosen."""


Totals = Callable[[SpaceTables, Genotypes], tuple[FloatArray, FloatArray]]
"""Latencies and energies of networks, by tables."""


class ExactQuantities:
    """Tables of the quantities of one space on its chips; equal to what the objectives measure.

    Latency and energy are among them where tables hold those of nearly all of `TRIED` random networks and of
    the extremes, over all chips: not with the mapping `edp`, nor where many networks exceed the macros'
    capacity. The cost model takes up to a tenth of a second for such a network, too long for a hundred
    thousand of them; so there is an `estimate` of all that takes none.

    Args:
        space: What the genotypes mean.
        costs: Of `lat` and `energy`, and the SoC of `area`; one for each chip where `space` has a choice.
        wanted: Names of the quantities that are needed.

    Attributes:
        names: Those of `wanted` that are known.

    Raises:
        SpaceTablesError: The tables of costs cannot be kept.
    """

    def __init__(
        self, space: Space, costs: CostModel | Mapping[Chip, CostModel], wanted: Collection[str]
    ) -> None:
        if isinstance(costs, CostModel):
            costs = {Chip(): costs}
        self._space = space
        networks = networks_of(space)
        self._genes = len(networks.genes)
        self._costs: dict[Chip, SpaceTables] = {}
        if set(wanted) & set(COSTS):
            self._costs = _tables(networks, costs)
        known = (*SIZES, *(COSTS if self._costs else ()), AREA)
        self.names = tuple(name for name in known if name in wanted)
        self._sizes = SizeTables(networks) if set(self.names) & set(SIZES) else None
        self._areas = {chip: model.soc.area_mm2 for chip, model in costs.items()} if AREA in wanted else {}

    def __call__(self, genotypes: Genotypes) -> dict[str, FloatArray]:
        """Each of `names` (n,), in the objectives' units, of genotypes (n, genes)."""
        return self._of(genotypes, SpaceTables.totals)

    def estimate(self, genotypes: Genotypes) -> dict[str, FloatArray]:
        """The same from tables alone; too low for networks whose weights exceed their macros' capacity."""
        return self._of(genotypes, SpaceTables.estimates)

    def _of(self, genotypes: Genotypes, totals: Totals) -> dict[str, FloatArray]:
        networks = genotypes[:, : self._genes]
        found: dict[str, FloatArray] = {}
        if self._sizes is not None:
            found |= self._sizes(networks)
        if self._costs or self._areas:
            found |= {name: np.empty(len(genotypes)) for name in (*COSTS, AREA)}
            for chip, rows in by_chip(self._space, genotypes).items():
                if self._costs:
                    found["lat"][rows], found["energy"][rows] = totals(self._costs[chip], networks[rows])
                if self._areas:
                    found[AREA][rows] = self._areas[chip]
        return {name: found[name] for name in self.names}


def _tables(networks: Space, costs: Mapping[Chip, CostModel]) -> dict[Chip, SpaceTables]:
    """The tables of every chip; none where they do not suffice for enough networks."""
    tried = _tried(networks)
    found: dict[Chip, SpaceTables] = {}
    missing, most = 0.0, (1 - LEAST_SHARE) * len(costs)
    for chip, model in costs.items():
        found[chip] = SpaceTables.cached(networks, model)
        missing += 1 - float(found[chip].suffice(tried).mean())
        if missing > most:
            return {}
    return found


def _tried(space: Space) -> Genotypes:
    cardinalities = [gene.cardinality for gene in space.genes]
    random = np.random.default_rng(0).integers(0, cardinalities, (TRIED, len(cardinalities)))
    return np.concatenate([[space.smallest(), space.largest()], random])
