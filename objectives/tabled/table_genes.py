"""Genotypes of an accuracy table: whole genotypes of a known space, or genes that define a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from objectives.tabled.table_columns import GENOTYPE, Columns, TableError
from search_space.arrays import Genotypes, Integers
from search_space.errors import H4HError
from search_space.genotype import checked
from search_space.space import Space
from search_space.table_space import TableChoice, TableSpace

Cells = Mapping[str, Sequence[Any]]
Result = tuple[Space, Genotypes, Integers]
"""Space, canonical genotypes (n, genes), and their lines in the file (n,)."""
MOST_OPTIONS = 65_535


class GenotypeReader:
    """Reads the column `GENOTYPE` of a table over `space`.

    A genotype is a list of indices (JSON), indices joined by commas, or one digit for each gene.

    Args:
        space: The search space.
        source: Name of the table, for messages.
    """

    def __init__(self, space: Space, source: str) -> None:
        self._space, self._source = space, source
        self._genotypes: list[Genotypes] = []
        self._lines: list[Integers] = []
        self._limits = np.array([gene.cardinality for gene in space.genes])

    def add(self, first_line: int, cells: Cells) -> None:
        """Reads some rows.

        Raises:
            TableError: A cell is no genotype of the space.
        """
        texts = cells[GENOTYPE]
        genotypes = _digits(texts, len(self._limits))
        if genotypes is None or (genotypes >= self._limits).any():
            genotypes = np.array(
                [self._genotype(cell, line) for line, cell in enumerate(texts, start=first_line)],
                dtype=np.uint16,
            ).reshape(len(texts), len(self._limits))
        active = self._space.active_rows(genotypes)
        self._genotypes.append(np.where(active, genotypes, 0).astype(np.uint16))
        self._lines.append(np.arange(first_line, first_line + len(texts)))

    def finish(self) -> Result:
        """The space, and all rows that were read."""
        empty = np.empty((0, len(self._limits)), dtype=np.uint16)
        return self._space, np.concatenate([*self._genotypes, empty]), _joined(self._lines)

    def _genotype(self, cell: Any, line: int) -> Sequence[int]:
        try:
            if isinstance(cell, str):
                is_digits = "," not in cell and len(cell.strip()) == len(self._limits)
                cell = [int(part) for part in (cell.strip() if is_digits else cell.split(","))]
            elif not isinstance(cell, list):
                raise ValueError("it must be a list or a text")
            return checked(cell, self._space.genes)
        except (H4HError, ValueError) as error:
            raise TableError(
                f"{self._source}: line {line}: {GENOTYPE} must be {len(self._limits)} indices of space "
                f"{self._space.name!r}, but got {cell!r:.40} ({error})"
            ) from error


def _digits(cells: Sequence[Any], genes: int) -> Genotypes | None:
    """Genotypes of one digit for each gene, with or without commas; None if any cell has another form."""
    if not all(isinstance(cell, str) for cell in cells):
        return None
    lengths = set(map(len, cells))
    if lengths == {genes}:
        written, step = genes, 1
    elif lengths == {2 * genes - 1}:
        written, step = 2 * genes - 1, 2
    else:
        return None
    text = "".join(cells)
    if not text.isascii():
        return None
    codes = np.frombuffer(text.encode(), dtype=np.uint8).reshape(len(cells), written)
    digits = codes[:, ::step]
    if (step == 2 and (codes[:, 1::2] != ord(",")).any()) or (digits < 48).any() or (digits > 57).any():
        return None
    return (digits - 48).astype(np.uint16)


class GeneReader:
    """Reads one column for each gene, and collects the options.

    Args:
        columns: Columns of the table.
        path: File of the table, which names the space.
    """

    def __init__(self, columns: Columns, path: Path) -> None:
        self._genes, self._source, self._name = columns.genes, str(path), path.stem
        self._codes: list[dict[Any, int]] = [{} for _ in columns.genes]
        self._read: list[list[Integers]] = [[] for _ in columns.genes]
        self._lines: list[Integers] = []

    def add(self, first_line: int, cells: Cells) -> None:
        """Reads some rows.

        Raises:
            TableError: An option is empty, neither text nor integer, or one of too many.
        """
        for gene, codes, read in zip(self._genes, self._codes, self._read, strict=True):
            column = cells[gene.name]
            # Sets first, since a loop over a million cells takes a second for each gene.
            if not set(map(type, column)) <= {str, int} or not set(column) <= codes.keys():
                for line, cell in enumerate(column, start=first_line):
                    if type(cell) not in (str, int) or cell not in codes:
                        self._check(gene.name, cell, line, len(codes))
                        codes[cell] = len(codes)
            read.append(np.fromiter(map(codes.__getitem__, column), dtype=np.int64, count=len(column)))
        self._lines.append(np.arange(first_line, first_line + len(column)))

    def finish(self) -> Result:
        """The space, and all rows that were read.

        Raises:
            TableError: A gene has integers and names.
        """
        choices, columns = [], []
        for gene, codes, read in zip(self._genes, self._codes, self._read, strict=True):
            options = [_integer(option) for option in codes]
            whole = [option for option in options if isinstance(option, int)]
            if len(whole) not in (0, len(options)):
                name = next(option for option in options if isinstance(option, str))
                raise TableError(
                    f"{self._source}: gene {gene.name!r} has integers and names ({whole[0]}, {name!r}): give "
                    f"all the same kind"
                )
            # Integers ascend; names keep the order of their first appearance.
            order = sorted(range(len(options)), key=whole.__getitem__) if whole else range(len(options))
            places = np.empty(max(len(options), 1), dtype=np.int64)
            places[list(order)] = np.arange(len(options))
            columns.append(places[_joined(read)])
            is_ordered = bool(whole) if gene.has_order is None else gene.has_order
            choices.append(TableChoice(gene.name, tuple(options[code] for code in order), is_ordered))
        lines = _joined(self._lines)
        if len(lines) == 0:
            raise TableError(f"{self._source}: has no rows below its header")
        for choice in choices:
            if len(set(choice.options)) < len(choice.options):
                raise TableError(f"{self._source}: gene {choice.name!r} writes one integer in two ways")
        space = TableSpace(self._name, tuple(choices)).as_space()
        return space, np.stack(columns, axis=1).astype(np.uint16), lines

    def _check(self, name: str, cell: Any, line: int, count: int) -> None:
        is_integer = isinstance(cell, int) and not isinstance(cell, bool)
        if not (is_integer or (isinstance(cell, str) and cell.strip())):
            raise TableError(
                f"{self._source}: line {line}: gene {name!r} must be an integer or a name, but got "
                f"{cell!r:.40}"
            )
        if count >= MOST_OPTIONS:
            raise TableError(f"{self._source}: gene {name!r} has more than {MOST_OPTIONS:,} options")


def _integer(option: int | str) -> int | str:
    """An integer, also if it was written as text."""
    text = str(option).strip()
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() else text


def _joined(parts: Sequence[Integers]) -> NDArray[np.int64]:
    return np.concatenate([*parts, np.empty(0, dtype=np.int64)])
