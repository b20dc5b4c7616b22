"""Smallest, middle and largest network of a space: what a quantity is on each of them.

The middle network has the middle option of every gene, the lower one of two. It is one network, not the
median of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from search_space.genotype import Genotype
from search_space.space import Space

NETWORKS = ("smallest", "middle", "largest")
"""Names of the three networks, in order."""
_PLAIN = ("MACs", "parameters", "blocks", "")
"""Units that the name of the quantity says already."""
_RATIO = "largest/smallest"


def three_networks(space: Space) -> tuple[Genotype, Genotype, Genotype]:
    """Genotypes of the three networks, in the order of `NETWORKS`."""
    middle = space.canonical([(gene.cardinality - 1) // 2 for gene in space.genes])
    return space.smallest(), middle, space.largest()


@dataclass(frozen=True)
class Spread:
    """Values of one quantity on the three networks.

    Attributes:
        name: Name of the quantity.
        unit: Its unit.
        values: One value for each of `NETWORKS`.
    """

    name: str
    unit: str
    values: tuple[float, float, float]

    @property
    def ratio(self) -> float | None:
        """Value of the largest network divided by that of the smallest; None if the latter is 0."""
        smallest, _, largest = self.values
        return largest / smallest if smallest else None

    def within(self, most: float) -> list[str]:
        """Names of the networks whose value is at most `most`."""
        return self.holders(lambda value: value <= most)

    def holders(self, holds: Callable[[float], bool]) -> list[str]:
        """Names of the networks whose value satisfies a condition."""
        return [name for name, value in zip(NETWORKS, self.values, strict=True) if holds(value)]


def holders_text(holders: Sequence[str]) -> str:
    """Subject and verb for one or more of the three networks: ``the smallest and middle networks hold``."""
    if len(holders) == len(NETWORKS):
        return "all three networks hold"
    return (
        f"the {holders[0]} network holds"
        if len(holders) == 1
        else f"the {' and '.join(holders)} networks hold"
    )


def spread_lines(spreads: Iterable[Spread]) -> list[str]:
    """Lines of a table with one row for each quantity."""
    rows: list[tuple[str, ...]] = [("", *NETWORKS, _RATIO)]
    for spread in spreads:
        name = spread.name if spread.unit in _PLAIN else f"{spread.name} {spread.unit}"
        ratio = "-" if spread.ratio is None else f"{spread.ratio:.3g}x"
        rows.append((name, *map(_number, spread.values), ratio))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        f"  {row[0]:<{widths[0]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
