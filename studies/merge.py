"""Merge studies of one problem, such as several seeds or machines, into one study.

python -m studies.merge first other.db:second --into both --db studies.db
"""

from __future__ import annotations

from collections.abc import Sequence

from search_space.command.command_line import Parser, run_command
from search_space.command.printed_command import local_command
from studies.storage.copied_study import store_new
from studies.storage.named_study import add_database, located
from studies.storage.store import open_store
from studies.study.merged_study import Merged, Run, merge
from studies.study.study_name import check_study_name


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.merge",
        description="Merge studies that differ in seed, sampler or machine into one study with one front.",
        epilog="Write OTHER.db:NAME for a study of another database.",
    )
    add = result.add_argument
    add("studies", nargs="+", metavar="STUDY", help="two or more studies of the same problem")
    add("--into", required=True, metavar="NEW", help="name of the merged study, which must be new")
    add_database(add)
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Stores the merged study and prints what it holds.

    Raises:
        H4HError: A study is missing or empty, their values are not comparable, or the name is taken.
    """
    options = parser().parse_args(arguments)
    check_study_name(options.into, "--into")
    runs = []
    for label in options.studies:
        path, name = located(label, options.db)
        with open_store(path) as store:
            runs.append(Run(label, store.study(name), tuple(store.by_software(name))))
    merged = merge(options.into, runs)
    store_new(merged.study, merged.measured, options.db)
    for line in summary(merged, runs):
        print(line)
    print("next:")
    database = str(options.db.absolute())
    print(f"  show the front  {local_command('studies.show', ['--db', database, '--study', options.into])}")
    print(f"  pick a network  {local_command('studies.pick', ['--db', database, options.into])}")


def summary(merged: Merged, runs: Sequence[Run]) -> list[str]:
    """Lines that say what a merged study holds, and what each run has on its front."""
    study, evaluations = merged.study, merged.evaluations
    front = study.front(evaluations)
    again = f" ({merged.repeated} more repeat a network)" if merged.repeated else ""
    lines = [
        f"study {study.name!r}: {len(evaluations)} evaluations{again}, front of {len(front)}, "
        f"hypervolume {study.hypervolume(front):.4f}"
    ]
    members = {member.genotype for member in front}
    for run in runs:
        own = members & {evaluation.genotype for evaluation in run.evaluations}
        lines.append(
            f"  {run.label}: {len(run.evaluations)} evaluations, {len(own)} of them on the front, "
            f"hypervolume {run.study.hypervolume(run.evaluations):.4f}"
        )
    return lines + [f"note: {note}" for note in merged.notes]


if __name__ == "__main__":
    run_command(main)
