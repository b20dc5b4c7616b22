"""Quantities that are known exactly for any number of networks at once, without measuring them one by one."""

from __future__ import annotations

from collections.abc import Collection

from objectives.gene_table import Genotypes
from objectives.hardware import CostModel
from objectives.objective import FloatArray
from objectives.size_tables import SIZES, SizeTables
from objectives.space_tables import SpaceTables
from search_space.space import Space

LATENCY, ENERGY = "lat", "energy"
TABULATED_MAPPINGS = ("latency", "energy", "npu")
"""Mappings whose costs stand in tables: `edp` minimises no sum, and `cim` cannot hold some networks."""


class ExactQuantities:
    """Tables of the quantities of one space on one SoC; equal to what the objectives measure.

    Args:
        space: What the genotypes mean.
        costs: Of `lat` and `energy`.
        wanted: Names of the quantities that are needed.

    Raises:
        SpaceTablesError: The tables of costs cannot be kept.
    """

    def __init__(self, space: Space, costs: CostModel, wanted: Collection[str]) -> None:
        is_tabulated = costs.mapper.name in TABULATED_MAPPINGS
        known = (*SIZES, LATENCY, ENERGY) if is_tabulated else SIZES
        self.names = tuple(name for name in known if name in wanted)
        self._sizes = SizeTables(space) if set(self.names) & set(SIZES) else None
        self._costs = SpaceTables.cached(space, costs) if set(self.names) - set(SIZES) else None

    def __call__(self, genotypes: Genotypes) -> dict[str, FloatArray]:
        """Each of `names` (n,), in the objectives' units, of genotypes (n, genes)."""
        found: dict[str, FloatArray] = {}
        if self._sizes is not None:
            found |= self._sizes(genotypes)
        if self._costs is not None:
            found |= dict(zip((LATENCY, ENERGY), self._costs.totals(genotypes), strict=True))
        return {name: found[name] for name in self.names}
