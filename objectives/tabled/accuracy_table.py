"""Accuracy tables: networks of a search space, with values that somebody measured once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.objective import Declaration
from objectives.tabled.table_columns import ERROR, GENOTYPE, Columns, TableError, read_columns
from objectives.tabled.table_genes import GeneReader, GenotypeReader
from objectives.tabled.table_records import Part, read_records
from search_space.arrays import Floats, Genotypes
from search_space.files.regular_file import file_problem
from search_space.row_index import ABSENT, RowIndex
from search_space.space import Space

LEAST_NETWORKS = 2
LARGEST = 1e30
"""Largest size of a value; the hypervolume of six objectives, a product, stays finite."""


@dataclass(frozen=True, eq=False)
class AccuracyTable:
    """Networks and their values.

    Attributes:
        source: Name of the file, for messages.
        digest: SHA-256 of the file.
        space: Search space of the genotypes.
        genotypes: Canonical genotypes, all different, in the order of the file, shape (n, genes).
        declarations: Declarations of the objectives, by name.
        values: Values of each objective (n,), finite, by name.
        errors: Standard errors of an objective (n,), by name of the objective.
        index: Finds the row of a genotype.
    """

    source: str
    digest: str
    space: Space
    genotypes: Genotypes
    declarations: dict[str, Declaration]
    values: dict[str, Floats]
    errors: dict[str, Floats]
    index: RowIndex

    def rows(self, genotypes: Genotypes) -> NDArray[np.intp]:
        """Rows of genotypes (m, genes), shape (m,).

        Raises:
            TableError: A genotype is not in the table.
        """
        rows = self.index.rows(genotypes)
        if (rows == ABSENT).any():
            absent = ",".join(map(str, genotypes[int(np.argmax(rows == ABSENT))].tolist()))
            raise TableError(f"{self.source}: holds no network {absent}; it holds {len(self.genotypes):,}")
        return rows

    def summary(self) -> str:
        """One line about the table."""
        parts = [f"accuracy table {self.source}: {len(self.genotypes):,} networks"]
        parts += [
            f"{name} with a standard error of {np.median(errors):.3g} {self.declarations[name].unit} (median)"
            for name, errors in self.errors.items()
        ]
        return ", ".join(parts)


def check_table_file(path: Path) -> None:
    """Raises `TableError` if there is no regular file at `path`."""
    if problem := file_problem(path):
        raise TableError(f"--accuracy-table {path} {problem}; name a file of CSV or JSON lines")


def read_table(path: Path, space: Space | None) -> AccuracyTable:
    """Reads an accuracy table.

    Args:
        path: A file of CSV with a header, or of JSON lines.
        space: Search space of the column `GENOTYPE`; None for a table that defines its own space.

    Raises:
        TableError: The file cannot be read; a title, a gene or a value is wrong; a network has two values; or
            there are fewer than `LEAST_NETWORKS` networks.
    """
    check_table_file(path)
    titles, parts = read_records(path)
    columns = read_columns(titles, str(path))
    _check_kind(columns, space, str(path))
    genes = GeneReader(columns, path) if space is None else GenotypeReader(space, str(path))
    numbers: dict[str, list[Floats]] = {name: [] for name in (*columns.objectives, *columns.errors)}
    for part in parts:
        cells = dict(zip(columns.names, part.columns, strict=True))
        genes.add(part.first_line, cells)
        for name, blocks in numbers.items():
            blocks.append(_numbers(cells[name], name, part, columns.objectives.get(name), str(path)))
    networks, genotypes, lines = genes.finish()
    values = {name: np.concatenate([*blocks, np.empty(0)]) for name, blocks in numbers.items()}
    if len(genotypes) < LEAST_NETWORKS:
        raise TableError(
            f"{path}: a search needs at least {LEAST_NETWORKS} networks, but the table has {len(genotypes)}"
        )
    index = RowIndex(genotypes)
    first = index.first
    for name, column in values.items():
        if (differs := np.flatnonzero(column != column[first])).size:
            row = int(differs[0])
            raise TableError(
                f"{path}: lines {lines[first[row]]} and {lines[row]} are one network with two values of "
                f"{name}: {column[first[row]]:g} and {column[row]:g}; leave one of them out"
            )
    kept = first == np.arange(len(first))
    if kept.sum() < LEAST_NETWORKS:
        raise TableError(f"{path}: a search needs at least {LEAST_NETWORKS} networks, but all rows are one")
    genotypes, values = genotypes[kept], {name: column[kept] for name, column in values.items()}
    return AccuracyTable(
        source=path.name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        space=networks,
        genotypes=genotypes,
        declarations=columns.objectives,
        values={name: values[name] for name in columns.objectives},
        errors={name.removesuffix(ERROR): values[name] for name in columns.errors},
        index=index if kept.all() else RowIndex(genotypes),
    )


def _check_kind(columns: Columns, space: Space | None, source: str) -> None:
    if space is None and not columns.genes:
        raise TableError(
            f"{source}: --space-from-table needs one column for each gene, such as 'layer1[gene]', but the "
            f"table has a column {GENOTYPE!r}: leave the option out, and name the space by --space"
        )
    if space is not None and columns.genes:
        raise TableError(
            f"{source}: the columns {', '.join(gene.name for gene in columns.genes)} are genes of the "
            f"table's own space: give --space-from-table, or write a column {GENOTYPE!r} for space "
            f"{space.name!r}"
        )


def _numbers(
    cells: Sequence[Any], name: str, part: Part, declaration: Declaration | None, source: str
) -> Floats:
    """The numbers of a column; percentages are 0 to 100, standard errors at least 0."""
    least = 0.0 if declaration is None or declaration.unit == "%" else -LARGEST
    most = 100.0 if declaration is not None and declaration.unit == "%" else LARGEST
    try:
        values = np.array(list(map(float, cells)))
        is_number = bool not in set(map(type, cells))  # JSON has `true`, which Python counts as 1.
        if is_number and np.isfinite(values).all() and values.min() >= least and values.max() <= most:
            return values
    except (TypeError, ValueError, OverflowError):
        pass
    for line, cell in enumerate(cells, start=part.first_line):
        try:
            value = math.nan if isinstance(cell, bool) else float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if math.isfinite(value) and abs(value) > LARGEST == most:
            raise TableError(
                f"{source}: line {line}: {name} must be at most {LARGEST} in size, but got {cell!r:.40}"
            )
        if not (math.isfinite(value) and least <= value <= most):
            bounds = " from 0 to 100" if most == 100.0 else " of at least 0" if least == 0.0 else ""
            raise TableError(
                f"{source}: line {line}: {name} must be a finite number{bounds}, but got {cell!r:.40}"
            )
    raise AssertionError("one of the cells is wrong")
