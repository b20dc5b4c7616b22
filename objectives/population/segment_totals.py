"""Cycles and energy of populations by fronts of segments, where sums over pieces do not suffice.

These are networks whose weights exceed the capacity of the macros, and all networks under the mapping `edp`.
"""

from __future__ import annotations

import numpy as np

from objectives.hardware.mapping.capacity_mapping import CapacityMapping
from objectives.hardware.mapping.mapper import Mapper
from objectives.hardware.mapping.product_mapping import ProductMapping
from objectives.population.cost_lookup import PopulationCosts
from objectives.population.network_segments import NetworkSegments
from objectives.population.piece_costs import CYCLES, ENERGY_PJ, PieceCosts
from search_space.arrays import Booleans, Floats, Genotypes
from search_space.space import Space

_STEP_ROWS = 1 << 12
"""Most combinations of genes of runs of steps that are tabulated: few, since mapping takes longer."""


class CapacityTotals:
    """Costs of populations in the best mapping within the capacity of the macros.

    Args:
        space: The search space of the genotypes.
        mapper: SoC and mapping; the mapping minimises latency or energy.
        pieces: Costs of all pieces of `space` under that mapping.
    """

    def __init__(self, space: Space, mapper: Mapper, pieces: PieceCosts) -> None:
        self._free = PopulationCosts(space, mapper, pieces, all_choices=True, most_step_rows=_STEP_ROWS)
        self._mapping = CapacityMapping(mapper)
        self._segments = NetworkSegments(space, mapper.soc, self._mapping.catalogue)

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """Cycles, energy in pJ, and whether these are the network's own: always; each (n,).

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        costs = self._mapping(self._free.each(genotypes), self._segments(genotypes))
        return costs[:, CYCLES], costs[:, ENERGY_PJ], np.ones(len(costs), dtype=bool)


class ProductTotals:
    """Costs of populations under the mapping `edp`.

    Args:
        space: The search space of the genotypes.
        mapper: SoC and mapping `edp`.
    """

    def __init__(self, space: Space, mapper: Mapper) -> None:
        self._mapping = ProductMapping(mapper)
        self._segments = NetworkSegments(space, mapper.soc, self._mapping.catalogue)

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats, Booleans]:
        """The same as for `CapacityTotals`; not the network's own where its weights do not fit."""
        costs, fits = self._mapping(self._segments(genotypes))
        return costs[:, CYCLES], costs[:, ENERGY_PJ], fits
