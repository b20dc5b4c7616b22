"""Tables printed at full width, whatever the width of the terminal.

A cell that is cut or wrapped cannot be copied, so a narrow terminal wraps whole lines instead. Square
brackets in a text are no markup.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def print_wide(table: Table) -> None:
    """Prints `table` to stdout at full width."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table)
