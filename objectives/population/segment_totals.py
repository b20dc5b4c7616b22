"""Cycles and energy of populations of networks whose weights exceed the capacity of the macros."""

from __future__ import annotations

from objectives.hardware.mapping.capacity_mapping import CapacityMapping
from objectives.hardware.mapping.mapper import Mapper
from objectives.population.cost_lookup import PopulationCosts
from objectives.population.network_segments import NetworkSegments
from objectives.population.piece_costs import CYCLES, ENERGY_PJ, PieceCosts
from search_space.arrays import Floats, Genotypes
from search_space.space import Space

_STEP_ROWS = 1 << 12
"""Most combinations of genes of runs of steps that are tabulated: few, since mapping takes longer."""


class SegmentTotals:
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

    def __call__(self, genotypes: Genotypes) -> tuple[Floats, Floats]:
        """Cycles and energy in pJ, each (n,).

        Args:
            genotypes: Shape (n, genes), canonical or not.

        Raises:
            GenotypeError: A row is not a genotype of the space.
        """
        costs = self._mapping(self._free.each(genotypes), self._segments(genotypes))
        return costs[:, CYCLES], costs[:, ENERGY_PJ]
