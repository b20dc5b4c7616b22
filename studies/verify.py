"""Verify a database of studies: digests of all rows, and values that can be computed again.

python -m studies.verify studies.db
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from search_space.command.printed_command import local_command
from search_space.errors import H4HError
from studies.analysis.recomputed import recomputed
from studies.storage.store import Store, open_store
from studies.study.study import Study

SHOWN = 10
"""Number of differences that are printed for a study."""


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.verify",
        description="Check a database of studies: compare all rows with their digests, and recompute every "
        "value that needs neither weights nor images.",
    )
    add = result.add_argument
    add("database", type=Path, metavar="FILE", help="SQLite file of the studies")
    add("--digests-only", action="store_true", help="compare digests only, which takes less than a second")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one line for each study, and each difference.

    Raises:
        H4HError: The file is missing or damaged, or a value differs.
    """
    options = parser().parse_args(arguments)
    with open_store(options.database) as store:
        problems = store.problems()
        for problem in problems:
            print(f"problem: {problem}")
        studies = store.studies()
        bad = [study.name for study in studies if not _verify(store, study, options.digests_only)]
    if bad or problems:
        which = f" in {', '.join(map(repr, bad))}" if bad else ""
        raise H4HError(
            f"database {options.database}: rows or values are not what was stored or measured{which}; "
            f"restore a backup, or repeat those studies in a new file"
        )
    if store.is_earlier:
        lacking = "" if store.has_digests else "no digests, since "
        command = local_command("studies.migrate", [str(options.database.absolute())])
        print(f"{lacking}an earlier version wrote it: {command}")


def _verify(store: Store, study: Study, digests_only: bool) -> bool:
    """Prints the state of a study; whether it is sound."""
    try:
        evaluations, reports = store.evaluations(study.name), store.reports(study.name)
        software = store.software(study.name)
        if digests_only:
            print(f"study {study.name!r}: {len(evaluations)} evaluations, {len(reports)} reports: sound")
            return True
        result = recomputed(study, evaluations)
    except H4HError as error:
        print(f"study {study.name!r}: {error}")
        return False
    state = f"{len(result.differences)} values differ" if result.differences else "sound"
    again = ", ".join(("sizes", *result.compared))
    print(f"study {study.name!r}: {len(evaluations)} evaluations, {len(reports)} reports: {state}")
    for versions, count in software if len(software) > 1 else ():
        print(f"  {count} evaluations with {', '.join(f'{name} {text}' for name, text in versions.items())}")
    print(f"  recomputed: {again}")
    for name, reason in result.skipped.items():
        print(f"  not recomputed: {name} ({reason})")
    for line in result.differences[:SHOWN]:
        print(f"  {line}")
    if len(result.differences) > SHOWN:
        print(f"  ... {len(result.differences) - SHOWN} more")
    return not result.differences


if __name__ == "__main__":
    run_command(main)
