"""Copy a database of studies, also while a study runs.

python -m studies.backup studies.db copy.db
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from studies.storage.backup import backup


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.backup",
        description="Copy a database of studies, also while a study runs, and check the copy.",
    )
    add = result.add_argument
    add("database", type=Path, metavar="FILE", help="SQLite file of the studies")
    add("copy", type=Path, metavar="COPY", help="file to write; must not exist yet")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the copy.

    Raises:
        H4HError: A file is missing, damaged or there already, or cannot be written.
    """
    options = parser().parse_args(arguments)
    count = backup(options.database, options.copy)
    print(f"{count} evaluations of {options.database}: {options.copy}")


if __name__ == "__main__":
    run_command(main)
