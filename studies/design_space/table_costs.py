"""Exact objective values of whole populations from an accuracy table, besides those that can be computed."""

from __future__ import annotations

from collections.abc import Collection

from objectives.tabled.accuracy_table import AccuracyTable
from search_space.arrays import Floats, Genotypes
from studies.design_space.exact_costs import ExactQuantities


class TableQuantities:
    """Costs in a table that a search may know before it evaluates a network.

    These are the table's objectives that are neither expensive nor marked as measured.

    Args:
        table: The table.
        wanted: Names of the quantities that are needed.
        computed: Quantities that need no table; None if there are none.

    Attributes:
        names: The known names among `wanted`.
        estimated: Names among `wanted` that are only estimated, as in `ExactQuantities`.
    """

    def __init__(
        self, table: AccuracyTable, wanted: Collection[str], computed: ExactQuantities | None = None
    ) -> None:
        self._table = table
        self._computed = computed
        self._columns = tuple(
            name
            for name, declared in table.declarations.items()
            if name in wanted and not declared.is_expensive
        )
        self.estimated = () if computed is None else computed.estimated
        self.names = (*self._columns, *(() if computed is None else computed.names))

    def __call__(self, genotypes: Genotypes) -> dict[str, Floats]:
        """Each of `names` (n,), in the objectives' units, of genotypes (n, genes)."""
        return self._tabled(genotypes) | ({} if self._computed is None else self._computed(genotypes))

    def estimate(self, genotypes: Genotypes) -> dict[str, Floats]:
        """The same, but computed quantities as `ExactQuantities.estimate` gives them."""
        known = {} if self._computed is None else self._computed.estimate(genotypes)
        return self._tabled(genotypes) | known

    def _tabled(self, genotypes: Genotypes) -> dict[str, Floats]:
        if not self._columns:
            return {}
        rows = self._table.rows(genotypes[:, : len(self._table.space.genes)])
        return {name: self._table.values[name][rows] for name in self._columns}
