"""Columns of an accuracy table: genes, objectives and standard errors, told apart by the header.

A title is a name, followed by words in brackets where the name does not say enough: ``acc``, ``lat``,
``top5[% max]``, ``lat[ms measured]``, ``layer1[gene]``, ``layer1[gene nominal]``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from objectives.objective import Declaration, Direction
from objectives.registry import declarations
from search_space.errors import H4HError

GENOTYPE = "genotype"
"""Name of the column with whole genotypes."""
ERROR = "_se"
"""Ending of the name of a column with standard errors."""
GENE = "gene"
NOMINAL, ORDERED = "nominal", "ordered"
MEASURED = "measured"
"""Word of a cost that a search may only know of networks that it has evaluated."""
_DIRECTIONS = ("min", "max")
_TITLE = re.compile(r"\s*(?P<name>[^\[\]]*?)\s*(\[(?P<words>[^\[\]]*)\]\s*)?")


class TableError(H4HError):
    """An accuracy table that cannot be used."""


@dataclass(frozen=True)
class GeneColumn:
    """A column of options.

    Attributes:
        name: Name of the gene.
        has_order: Whether its options have an order; None if that follows from the options.
    """

    name: str
    has_order: bool | None


@dataclass(frozen=True)
class Columns:
    """All columns of a table.

    Attributes:
        names: Names of all columns, in order, without brackets.
        genes: Columns of options; empty if `GENOTYPE` is among the names.
        objectives: Declarations of the objectives, by name.
        errors: Names of columns with standard errors.
    """

    names: tuple[str, ...]
    genes: tuple[GeneColumn, ...]
    objectives: dict[str, Declaration]
    errors: tuple[str, ...]


def read_columns(titles: Sequence[str], source: str) -> Columns:
    """The columns with these titles.

    Raises:
        TableError: A title is wrong, a name is used twice, or genotypes or objectives are missing.
    """
    parsed = [_parsed(title, source) for title in titles]
    names = tuple(name for name, _ in parsed)
    for place, name in enumerate(names):
        if name in names[:place]:
            raise TableError(f"{source}: column {name!r} occurs twice")
    genes, objectives, errors = [], {}, []
    for name, words in parsed:
        if GENE in words:
            genes.append(_gene(name, words, source))
        elif name.endswith(ERROR) and name.removesuffix(ERROR) in names:
            errors.append(name)
        elif name != GENOTYPE:
            objectives[name] = _objective(name, words, source)
    if (GENOTYPE in names) == bool(genes):
        what = "both" if genes else "neither"
        raise TableError(
            f"{source}: needs a column {GENOTYPE!r}, or one column for each gene, such as 'layer1[gene]', "
            f"but has {what} (columns: {', '.join(names)})"
        )
    if not objectives:
        raise TableError(f"{source}: needs a column of values besides the genes, such as 'acc'")
    return Columns(names, tuple(genes), objectives, tuple(errors))


def _parsed(title: str, source: str) -> tuple[str, tuple[str, ...]]:
    match = _TITLE.fullmatch(title)
    if match is None or not match["name"]:
        raise TableError(
            f"{source}: the title of a column must be a name, with or without words in brackets, such as "
            f"'acc' or 'layer1[gene]', but got {title!r:.60}"
        )
    return match["name"], tuple((match["words"] or "").split())


def _gene(name: str, words: Sequence[str], source: str) -> GeneColumn:
    kinds = [word for word in words if word != GENE]
    if len(kinds) > 1 or not set(kinds) <= {NOMINAL, ORDERED}:
        raise TableError(
            f"{source}: column {name!r}: a gene may be {NOMINAL} or {ORDERED}, but got {' '.join(words)!r}"
        )
    return GeneColumn(name, (kinds[0] == ORDERED) if kinds else None)


def _objective(name: str, words: Sequence[str], source: str) -> Declaration:
    built_in = declarations().get(name)
    if not name.isidentifier():
        raise TableError(
            f"{source}: column {name!r}: the name of an objective must be letters, digits and underscores; a "
            f"gene is written '{name}[gene]'"
        )
    units = [word for word in words if word not in (*_DIRECTIONS, MEASURED)]
    directions = [word for word in words if word in _DIRECTIONS]
    unit = built_in.unit if built_in is not None and not units else "".join(units[:1])
    if len(units) > 1 or len(directions) > 1 or not unit:
        raise TableError(
            f"{source}: column {name!r} needs one unit, and may name a direction and '{MEASURED}', such as "
            f"'{name}[% max]' or '{name}[ms {MEASURED}]', but got {' '.join(words)!r}; a gene is written "
            f"'{name}[gene]'"
        )
    direction: Direction = "max" if "max" in directions else "min"
    if built_in is not None:
        if (unit, directions or [built_in.direction]) != (built_in.unit, [built_in.direction]):
            raise TableError(
                f"{source}: column {name!r} must be in {built_in.unit} with direction {built_in.direction}, "
                f"as the built-in objective of this name, but got {' '.join(words)!r}"
            )
        direction = built_in.direction
    is_expensive = MEASURED in words or (built_in is not None and built_in.is_expensive)
    return Declaration(
        name=name,
        unit=unit,
        direction=direction,
        depends_on=("network", "weights"),
        follows_size=False,
        is_expensive=is_expensive,
    )
