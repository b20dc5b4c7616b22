"""The option that says which database a command works on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def add_database(add: Callable[..., object]) -> None:
    """Adds --db.

    Args:
        add: `add_argument` of what it is added to.
    """
    add(
        "--db",
        type=Path,
        default=Path("studies.db"),
        metavar="FILE",
        help="SQLite file (default: %(default)s)",
    )
