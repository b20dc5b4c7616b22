"""Copy a database of studies, or some of its studies, also while a study runs.

python -m studies.backup studies.db copy.db [--study NAME]
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
    add(
        "--study",
        action="append",
        default=[],
        metavar="NAME",
        help="study to copy, and no other; may be repeated (default: all studies)",
    )
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the copy.

    Raises:
        H4HError: A file is missing, damaged or there already, cannot be written, or lacks a study.
    """
    options = parser().parse_args(arguments)
    count = backup(options.database, options.copy, options.study)
    of = f"{', '.join(map(repr, options.study))} in " if options.study else ""
    print(f"{count} evaluations of {of}{options.database}: {options.copy}")


if __name__ == "__main__":
    run_command(main)
