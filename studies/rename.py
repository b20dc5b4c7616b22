"""Give a study a new name, by a copy.

    python -m studies.rename OLD NEW --db studies.db

A database is append-only, so the old study stays in it. `studies.backup --study` writes a file without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from search_space.command.printed_command import local_command
from studies.storage.copied_study import rename_study
from studies.storage.named_study import add_database
from studies.storage.store import open_store
from studies.study.study_name import check_study_name


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.rename",
        description="Copy a study to a new name, under which it resumes. The old study stays.",
    )
    add = result.add_argument
    add("study", metavar="OLD", help="name of the study, or OTHER.db:NAME")
    add("name", metavar="NEW", help="name of the copy, which must be new in the database")
    add_database(add)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the copy.

    Raises:
        H4HError: The study is missing, the new name is taken or not allowed, or the file cannot be written.
    """
    options = parser().parse_args(arguments)
    check_study_name(options.name, "NEW")
    count = rename_study(options.study, options.name, options.db)
    print(f"{count} evaluations of study {options.study!r} in {options.db}: study {options.name!r}")
    with open_store(options.db) as store:
        others = [study.name for study in store.studies() if study.name != options.study]
        if len(others) < len(store.studies()):
            print("the old study stays; to drop it, copy the others to a new file:")
            print(f"  {drop_command(options.db, others)}")


def drop_command(database: Path, others: Sequence[str]) -> str:
    """The command that copies these studies of a database to a file beside it."""
    path = database.absolute()
    words = [str(path), str(path.with_name(f"{path.stem}-copy{path.suffix}"))]
    for name in others:
        words += ["--study", name]
    return local_command("studies.backup", words)


if __name__ == "__main__":
    run_command(main)
