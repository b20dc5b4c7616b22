"""Tables as wide as they need to be, in a pipe and on a terminal.

A cell that is cut or folded cannot be copied, so a narrow terminal folds whole lines instead.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def print_wide(table: Table) -> None:
    """Prints `table` to stdout."""
    console = Console(highlight=False)
    console.width = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    console.print(table, markup=False)
