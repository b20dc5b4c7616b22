"""Exact objective values of whole populations from tables, without measuring networks one by one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from objectives.hardware import CostModel
from objectives.hardware.chip import Chip
from objectives.population.cost_tables import SpaceTables
from objectives.population.size_tables import SIZES, SizeTables
from objectives.registry import registered_objectives
from search_space.arrays import Floats, Genotypes
from search_space.families import Family
from search_space.family_distance import FAMILY, family_distance, stage_blocks_of
from search_space.space import Space
from studies.design_space.design_space import DesignSpace

TRIED = 1000
LEAST_SHARE = 0.95
"""Least share of designs that the tables must cover. The cost model computes the others once they are about
to be chosen."""

Totals = Callable[[SpaceTables, Genotypes], tuple[Floats, Floats]]
"""Latencies and energies of networks from tables."""


class ExactQuantities:
    """Tables of the quantities of one design space; equal to what the objectives measure.

    Four kinds of quantities are known: sizes, distances to a family, functions of latency and energy
    (`TotalsObjective`), and functions of the chip alone. The third kind needs tables that cover nearly all of
    `TRIED` random networks and the extremes, over all chips. With the mapping `edp`, or if many networks
    exceed the macros' capacity, they do not, and give estimates only. Networks that they do not cover are
    mapped on fronts of segments, too slow for a hundred thousand networks, so `estimate` never does that.

    Args:
        space: The designs.
        costs: Cost model of every chip of `space`.
        wanted: Names of the quantities that are needed.

    Attributes:
        names: The known names among `wanted`.
        estimated: Names among `wanted` that the tables only estimate.

    Raises:
        SpaceTablesError: The cost tables cannot be stored.
    """

    def __init__(
        self,
        space: DesignSpace,
        costs: Mapping[Chip, CostModel],
        wanted: Collection[str],
    ) -> None:
        self._space = space
        objectives = {
            name: registered for name, registered in registered_objectives(wanted).items() if name in wanted
        }
        of_totals = {
            name: {chip: registered.of_totals(model) for chip, model in costs.items()}
            for name, registered in objectives.items()
            if registered.follows_totals
        }
        self._of_totals = of_totals
        self._tables: dict[Chip, SpaceTables] = {}
        if of_totals:
            tables = SpaceTables.cached_each(space.networks, list(costs.values()))
            self._tables = dict(zip(costs, tables, strict=True))
        is_exact = _share_covered(space.networks, list(self._tables.values())) >= LEAST_SHARE
        self.estimated = () if is_exact else tuple(of_totals)
        subnet = space.networks.decode(space.networks.smallest())
        self._by_chip = {
            name: {chip: float(registered.on(model)([subnet])[0]) for chip, model in costs.items()}
            for name, registered in objectives.items()
            if registered.declaration.depends_on == ("chip",) and isinstance(registered.source, type)
        }
        sizes = [name for name in SIZES if name in wanted]
        self._sizes = SizeTables(space.networks) if sizes else None
        self._families = {
            name: Family(name.removeprefix(FAMILY)) for name in wanted if name.startswith(FAMILY)
        }
        self.names = (*sizes, *self._families, *(of_totals if is_exact else ()), *self._by_chip)

    def __call__(self, genotypes: Genotypes) -> dict[str, Floats]:
        """Each of `names` (n,), in the objectives' units, of genotypes (n, genes)."""
        return self._values(genotypes, SpaceTables.totals, self.names)

    def estimate(self, genotypes: Genotypes) -> dict[str, Floats]:
        """The same and `estimated` from tables alone, as if the macros held the weights of every network."""
        return self._values(genotypes, SpaceTables.estimates, (*self.names, *self.estimated))

    def _values(self, genotypes: Genotypes, totals: Totals, names: Sequence[str]) -> dict[str, Floats]:
        networks = genotypes[:, : len(self._space.networks.genes)]
        values = {} if self._sizes is None else dict(self._sizes(networks))
        if self._families:
            blocks = stage_blocks_of(self._space.networks, networks)
            values |= {name: family_distance(blocks, member) for name, member in self._families.items()}
        of_totals = {name: by_chip for name, by_chip in self._of_totals.items() if name in names}
        if of_totals or self._by_chip:
            values |= {name: np.empty(len(genotypes)) for name in (*of_totals, *self._by_chip)}
            for chip, rows in self._space.rows_by_chip(genotypes).items():
                if of_totals:
                    latency_ms, energy_mj = totals(self._tables[chip], networks[rows])
                    for name, function_by_chip in of_totals.items():
                        values[name][rows] = function_by_chip[chip](latency_ms, energy_mj)
                for name, value_by_chip in self._by_chip.items():
                    values[name][rows] = value_by_chip[chip]
        return {name: values[name] for name in names}


def _share_covered(networks: Space, tables: Sequence[SpaceTables]) -> float:
    """Share of designs that the tables alone can cost."""
    tried = _tried(networks)
    return float(np.mean([one.suffice(tried).mean() for one in tables])) if tables else 1.0


def _tried(space: Space) -> Genotypes:
    cardinalities = [gene.cardinality for gene in space.genes]
    random = np.random.default_rng(0).integers(0, cardinalities, (TRIED, len(cardinalities)))
    return np.concatenate([[space.smallest(), space.largest()], random])
