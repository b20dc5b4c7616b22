"""Cells of CSV files: texts that a spreadsheet must not run as formulas."""

from __future__ import annotations

from collections.abc import Mapping

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""First characters that make a spreadsheet compute a cell."""


def safe_cell(value: object) -> object:
    """The value; a text that begins like a formula gets an apostrophe, which spreadsheets hide."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def safe_cells(row: Mapping[str, object]) -> dict[str, object]:
    """A row of a CSV file, with names of columns and values made safe."""
    return {str(safe_cell(name)): safe_cell(value) for name, value in row.items()}
