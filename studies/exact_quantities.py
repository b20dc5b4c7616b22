"""Quantities that are known exactly for any number of networks at once, without measuring them one by one."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from objectives.gene_table import Genotypes
from objectives.hardware import CostModel
from objectives.objective import FloatArray
from objectives.size_tables import SIZES, SizeTables
from objectives.space_tables import SpaceTables
from search_space.space import Space

COSTS = ("lat", "energy")
TRIED = 1000


class ExactQuantities:
    """Tables of the quantities of one space on one SoC; equal to what the objectives measure.

    Latency and energy are among them where tables hold those of `TRIED` random networks and of the extremes:
    not with the mapping `edp`, nor where networks exceed the macros' capacity. The cost model takes a tenth
    of a second for such a network, too long for a hundred thousand of them.

    Args:
        space: What the genotypes mean.
        costs: Of `lat` and `energy`.
        wanted: Names of the quantities that are needed.

    Attributes:
        names: Those of `wanted` that are known.

    Raises:
        SpaceTablesError: The tables of costs cannot be kept.
    """

    def __init__(self, space: Space, costs: CostModel, wanted: Collection[str]) -> None:
        self._costs: SpaceTables | None = None
        if set(wanted) & set(COSTS):
            tables = SpaceTables.cached(space, costs)
            self._costs = tables if tables.suffice(_tried(space)).all() else None
        known = (*SIZES, *COSTS) if self._costs is not None else SIZES
        self.names = tuple(name for name in known if name in wanted)
        self._sizes = SizeTables(space) if set(self.names) & set(SIZES) else None

    def __call__(self, genotypes: Genotypes) -> dict[str, FloatArray]:
        """Each of `names` (n,), in the objectives' units, of genotypes (n, genes)."""
        found: dict[str, FloatArray] = {}
        if self._sizes is not None:
            found |= self._sizes(genotypes)
        if self._costs is not None:
            found |= dict(zip(COSTS, self._costs.totals(genotypes), strict=True))
        return {name: found[name] for name in self.names}


def _tried(space: Space) -> Genotypes:
    cardinalities = [gene.cardinality for gene in space.genes]
    random = np.random.default_rng(0).integers(0, cardinalities, (TRIED, len(cardinalities)))
    return np.concatenate([[space.smallest(), space.largest()], random])
