"""Show the studies of a database, the Pareto front of one study, or all of its evaluations.

python -m studies.show --db studies.db [NAME [--evaluations] [--beside FILE.tflite]] [--json]
python -m studies.show --db studies.db NAME --format latex
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from studies.analysis.beside import HELP, METAVAR, OPTION, beside_rows, read_beside
from studies.analysis.beside_table import beside_record, print_beside
from studies.analysis.equal_members import ties_line
from studies.analysis.front_certainty import FrontCertainty, front_certainty, tie_lines
from studies.analysis.outside_bounds import outside_bounds
from studies.analysis.paper_text import paper_text
from studies.analysis.unmeasured_ops import coverage_line
from studies.analysis.why_not import why_not, why_not_lines, why_not_record
from studies.presentation.paper_table import TABLES
from studies.presentation.plain_records import study_record, summary_record
from studies.presentation.text_table import front_table, scope_lines
from studies.storage.named_study import add_database, add_study, located
from studies.storage.store import Store, open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport, summary
from studies.study.study import Study

SHOWN_TIES = 5


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.show",
        description="List the studies of a database, or show the Pareto front of one.",
    )
    add = result.add_argument
    add_database(add)
    add_study(result, "study to show instead of a list of all", required=False)
    add(
        "--evaluations",
        action="store_true",
        help="with a study: show all evaluations in order instead of the front",
    )
    add(OPTION, action="append", default=[], metavar=METAVAR, help=HELP)
    form = result.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of a table")
    form.add_argument(
        "--format",
        choices=tuple(TABLES),
        help="with a study: print the table for a paper, and the settings as a paragraph to quote",
    )
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the list of studies, or one study.

    Raises:
        H4HError: The database cannot be read, or has no such study.
    """
    options = parser().parse_args(arguments)
    if options.evaluations and options.study is None:
        parser().error("--evaluations needs the name of a study")
    if options.beside and options.study is None:
        parser().error(f"{OPTION} needs the name of a study")
    if options.format and options.study is None:
        parser().error("--format needs the name of a study")
    if options.format and options.beside:
        parser().error(f"--format prints one table: leave out {OPTION}")
    files = read_beside(options.beside)
    database, name = (options.db, None) if options.study is None else located(options.study, options.db)
    with open_store(database) as store:
        if name is None:
            rows = [(study, store.evaluations(study.name)) for study in store.studies()]
            if options.json:
                _print_json({"studies": [summary_record(study, evaluations) for study, evaluations in rows]})
            else:
                _print_studies(rows, options.db)
            return
        study, evaluations = _read(store, name)
        reports = store.reports(study.name)
    if options.format:
        print(paper_text(study, evaluations, options.format, is_complete=options.evaluations))
        return
    beside = beside_rows(study, study.front(evaluations), files)
    if options.json:
        record = study_record(study, evaluations, reports, is_complete=options.evaluations)
        if (answer := why_not(study, evaluations)) is not None:
            record["why_not"] = why_not_record(answer)
        if certainty := front_certainty(study, evaluations, study.front(evaluations)):
            for row, member in enumerate(record["front"]):
                member.update(certainty.record(row))
        _print_json(record | ({"beside": beside_record(study, beside)} if files else {}))
    else:
        _print_study(study, evaluations, reports, is_complete=options.evaluations)
        print_beside(study, beside)


def _print_ties(study: Study, certainty: FrontCertainty) -> None:
    print("±: standard error of the accuracy; on front: chance that no other network dominates this one")
    for line in tie_lines(study, certainty, most=SHOWN_TIES):
        print(line)


def _read(store: Store, name: str) -> tuple[Study, list[Evaluation]]:
    study = store.study(name)
    return study, store.evaluations(name)


def _print_json(record: dict[str, Any]) -> None:
    print(json.dumps(record, allow_nan=False))


def _print_studies(rows: Sequence[tuple[Study, Sequence[Evaluation]]], path: Path) -> None:
    if not rows:
        print(f"{path} holds no studies yet")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("study", no_wrap=True)
    table.add_column("objectives", no_wrap=True)
    for name in ("evaluations", "front", "hypervolume"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("made (UTC)", no_wrap=True)
    for study, evaluations in rows:
        table.add_row(
            study.name,
            ",".join(study.objectives),
            str(len(evaluations)),
            str(len(study.front(evaluations))),
            f"{study.hypervolume(evaluations):.4f}",
            study.created_at[:16].replace("T", " "),
        )
    print_wide(table)


def _print_study(
    study: Study,
    evaluations: Sequence[Evaluation],
    reports: Sequence[GenerationReport],
    *,
    is_complete: bool,
) -> None:
    front = study.front(evaluations)
    print(
        f"study {study.name!r}: {len(evaluations)} evaluations, front of {len(front)}, "
        f"hypervolume {study.hypervolume(front):.4f}"
    )
    for line in outside_bounds(study, evaluations):
        print(f"note: {line}")
    if study.constraints:
        feasible = sum(evaluation.is_feasible for evaluation in evaluations)
        verb = "satisfies" if feasible == 1 else "satisfy"
        limits = ", ".join(limit.short_text for limit in study.limits)
        print(f"{feasible} of {len(evaluations)} subnets {verb} {limits}")
    if (answer := why_not(study, evaluations)) is not None:
        print("\n".join(why_not_lines(answer)))
    for line in summary(reports):
        print(line)
    if (equal := ties_line(study, front)) is not None:
        print(f"note: {equal}")
    if is_complete:
        print_wide(front_table(study, evaluations))
    elif front:
        certainty = front_certainty(study, evaluations, front)
        more = {} if certainty is None else certainty.columns()
        print_wide(front_table(study, front, study.contributions(front), more))
        if certainty is not None:
            _print_ties(study, certainty)
        if line := coverage_line(study, front):
            print(line)
    for line in scope_lines(study.objectives):
        print(line)


if __name__ == "__main__":
    run_command(main)
