"""Convert a database of an earlier version, so that its studies can be resumed.

python -m studies.migrate studies.db
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from studies.storage.migration import migrate


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.migrate",
        description="Convert a database of an earlier version, so that its studies can be resumed. "
        "Values stay the same.",
    )
    result.add_argument("database", type=Path, metavar="FILE", help="SQLite file of the studies")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Converts the file in place.

    Raises:
        H4HError: The file is missing or damaged, or cannot be written.
    """
    path = parser().parse_args(arguments).database
    if migrate(path):
        print(f"{path} is converted; run the command of a study again to resume it")
    else:
        print(f"{path} has the current version already")


if __name__ == "__main__":
    run_command(main)
