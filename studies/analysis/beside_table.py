"""Networks of TensorFlow Lite files beside a front, as a table and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from search_space.command.wide_table import print_wide
from studies.analysis.beside import BesideRow, beside_notes
from studies.presentation.text_table import number_text
from studies.study.study import Study


def print_beside(study: Study, rows: Sequence[BesideRow]) -> None:
    """Prints a table of the networks with a sentence for each; nothing without networks."""
    if not rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("beside the front", no_wrap=True)
    for goal in study.goals:
        unit = "" if goal.name in ("macs", "params") else f" {goal.unit}"
        table.add_column(f"{goal.name}{unit}", justify="right", no_wrap=True)
    for title in ("mapping", "better on the front"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        cells = [number_text(value, goal.unit) for value, goal in zip(row.values, study.goals, strict=True)]
        table.add_row(row.name, *cells, row.mapping, str(row.better))
    print_wide(table)
    for note in beside_notes(rows):
        print(f"note: {note}")


def beside_record(study: Study, rows: Sequence[BesideRow]) -> list[dict[str, Any]]:
    """The same as plain data; values by name of the objective."""
    return [
        {
            "name": row.name,
            "mapping": row.mapping,
            "values": dict(zip(study.objectives, row.values, strict=True)),
            "better": row.better,
            "note": row.note,
        }
        for row in rows
    ]
