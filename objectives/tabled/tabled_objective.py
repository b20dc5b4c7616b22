"""Objectives whose values an accuracy table gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from objectives.objective import Dependency, Direction
from objectives.tabled.accuracy_table import AccuracyTable
from search_space.arrays import Floats

FINGERPRINT = "accuracy table"
"""Key of a study's fingerprint for the digest of its table."""


class TabledObjective:
    """One column of a table, as an `Objective`.

    Args:
        table: The table.
        name: Name of the column.
    """

    def __init__(self, table: AccuracyTable, name: str) -> None:
        declared = table.declarations[name]
        self._table = table
        self.name = name
        self.unit = declared.unit
        self.direction: Direction = declared.direction
        self.depends_on: tuple[Dependency, ...] = declared.depends_on
        self.follows_size = declared.follows_size
        self.is_expensive = declared.is_expensive

    @property
    def range(self) -> tuple[float, float]:
        """Least and greatest value in the table."""
        values = self._table.values[self.name]
        return float(values.min()), float(values.max())

    def __call__(self, subnets: Sequence[Any]) -> Floats:
        """Values of n networks, float64 (n,), in order.

        Raises:
            TableError: The table lacks a network.
        """
        if not subnets:
            return np.empty(0)
        genotypes = np.array([self._table.space.encode(subnet) for subnet in subnets])
        values: Floats = self._table.values[self.name][self._table.rows(genotypes)]
        return values

    def fingerprint(self) -> dict[str, str]:
        """Digest of the table."""
        return {FINGERPRINT: self._table.digest}
