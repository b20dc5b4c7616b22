"""Reader of accuracy tables: CSV with a header, or JSON lines, some thousand rows at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, TextIO

from objectives.tabled.table_columns import TableError

ROWS = 5_000
"""Rows that are held as Python objects at a time; more do not fit the cache of the processor."""


@dataclass(frozen=True)
class Part:
    """Some rows of a table.

    Attributes:
        first_line: Line of the first row in the file, from 1.
        columns: One sequence of cells for each column: texts from CSV, any JSON value from JSON lines.
    """

    first_line: int
    columns: Sequence[Sequence[Any]]


def read_records(path: Path) -> tuple[tuple[str, ...], Iterator[Part]]:
    """Titles of the columns, and the rows.

    Lines that are empty or begin with ``#`` may stand before the header of a CSV file. The file is JSON lines
    if its first character is ``{``.

    Raises:
        TableError: The file cannot be read. While rows are read: a row has another number of cells, or other
            keys, than the first.
    """
    try:
        file = path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise TableError(f"--accuracy-table {path}: cannot be read ({error.strerror})") from error
    try:
        number, line = _header(file)
        if not line:
            raise TableError(f"{path}: is empty; an accuracy table is CSV with a header, or JSON lines")
        if line.lstrip("\ufeff").startswith("{"):
            titles = tuple(map(str, _object(line, path, number)))
            return titles, _json_parts(file, line, titles, path, number)
        titles = tuple(next(csv.reader([line.lstrip("\ufeff")])))
        return titles, _csv_parts(file, len(titles), path, number + 1)
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not a text file in UTF-8") from error


def _header(file: TextIO) -> tuple[int, str]:
    """The first line that is neither empty nor a comment, with its number; an empty text without one."""
    lines = enumerate(file, start=1)
    return next(((number, line) for number, line in lines if line.strip() and line[0] != "#"), (0, ""))


def _csv_parts(file: TextIO, width: int, path: Path, line: int) -> Iterator[Part]:
    with file:
        try:
            # Strict, so that a quote in the wrong place is an error and no cell of many lines.
            reader = csv.reader(file, strict=True)
            while rows := list(islice(reader, ROWS)):
                for offset, row in enumerate(rows if any(len(row) != width for row in rows) else ()):
                    if len(row) != width:
                        raise TableError(
                            f"{path}: line {line + offset} must have {width} cells as the header, but has "
                            f"{len(row)}"
                        )
                yield Part(line, list(zip(*rows, strict=True)))
                line += len(rows)
        except csv.Error as error:
            raise TableError(f"{path}: line {line + reader.line_num - 1} is not CSV ({error})") from error
        except UnicodeDecodeError as error:
            raise TableError(f"{path}: is not a text file in UTF-8") from error


def _json_parts(file: TextIO, first: str, titles: Sequence[str], path: Path, line: int) -> Iterator[Part]:
    with file:
        lines = [first]
        try:
            while lines := [*lines, *islice(file, ROWS - len(lines))]:
                # One call of the parser for many lines; line by line only to name the wrong one.
                try:
                    records = json.loads(f"[{','.join(lines)}]")
                    columns = _columns(records, titles)
                    if set(map(len, records)) != {len(titles)} or len(records) != len(lines):
                        raise KeyError
                except (ValueError, KeyError, TypeError, RecursionError):
                    records = [
                        _record(text, titles, path, number) for number, text in enumerate(lines, start=line)
                    ]
                    columns = _columns(records, titles)
                yield Part(line, columns)
                line += len(lines)
                lines = []
        except UnicodeDecodeError as error:
            raise TableError(f"{path}: is not a text file in UTF-8") from error


def _columns(records: Sequence[dict[str, Any]], titles: Sequence[str]) -> Sequence[Sequence[Any]]:
    # The C functions take half the time of a comprehension.
    rows = map(itemgetter(*titles), records)
    return [list(rows)] if len(titles) == 1 else list(zip(*rows, strict=True))


def _object(text: str, path: Path, line: int) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: line {line} is not a JSON object ({error})") from error
    if not isinstance(record, dict):
        raise TableError(f"{path}: line {line} must be a JSON object, but got {text.strip()!r:.60}")
    return record


def _record(text: str, titles: Sequence[str], path: Path, line: int) -> dict[str, Any]:
    record = _object(text, path, line)
    for title in titles:
        if title not in record:
            raise TableError(f"{path}: line {line} lacks {title!r}, which the first line has")
    for title in record:
        if title not in titles:
            raise TableError(f"{path}: line {line} has {title!r}, which the first line lacks")
    return record
