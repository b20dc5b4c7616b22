"""Write a report of studies: one HTML file that opens anywhere, figures for a paper, or both.

python -m studies.report --db studies.db first --out report.html
python -m studies.report --db studies.db first other.db:second --out report.html --plots figures
python -m studies.report --db studies.db first --json
python -m studies.report --db studies.db first --by-class validated.json --out report.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.regular_file import output_problem
from search_space.files.whole_file import whole_file
from search_space.files.writable_folder import folder_problem
from studies.analysis.beside import HELP, METAVAR, OPTION, read_beside
from studies.analysis.contenders import Contender
from studies.analysis.gene_shares import gene_shares
from studies.presentation.plain_records import summary_record
from studies.report_page import by_class
from studies.report_page.beside_marks import add_beside
from studies.report_page.by_class import add_by_class, read_by_class
from studies.report_page.records import ReportRecord
from studies.report_page.report_data import Reported, report_record
from studies.storage.named_study import add_database, located, read_study

MOST_STUDIES = 6
"""Largest number of studies in a report: as many as there are colours that everyone can distinguish."""


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.report",
        description="Write a report of one study, or of several studies in the same plots.",
        epilog="Write OTHER.db:NAME for a study of another database.",
    )
    add = result.add_argument
    add("studies", nargs="+", metavar="STUDY", help=f"one to {MOST_STUDIES} studies")
    add_database(add)
    add(OPTION, action="append", default=[], metavar=METAVAR, help=HELP)
    add(by_class.OPTION, type=Path, action="append", default=[], metavar="FILE", help=by_class.HELP)
    add("--out", type=Path, metavar="FILE", help="HTML file to write; it needs no other file")
    add("--plots", type=Path, metavar="DIR", help="folder for the same plots as figures: PNG, SVG and PDF")
    add("--json", action="store_true", help="print numbers instead: summary and importance of every gene")
    return result


def check_outputs(out: Path | None, plots: Path | None) -> None:
    """Checks the outputs before anything is computed.

    Raises:
        H4HError: Neither is given, a folder is missing or cannot be written, or the name is no HTML file's.
    """
    if out is None and plots is None:
        raise H4HError("nothing to write: give --out FILE.html, --plots DIR or both, or --json")
    if out is not None:
        if out.suffix.lower() not in (".html", ".htm"):
            raise H4HError(f"--out must end in .html, but got {str(out)!r}")
        if problem := output_problem(out):
            raise H4HError(f"--out {out} {problem}; name another file")
        _check_folder("--out", out, out.parent)
    if plots is not None:
        _check_folder("--plots", plots, plots)


def _check_folder(option: str, given: Path, folder: Path) -> None:
    if not folder.is_dir():
        problem = "is a file" if folder.exists() else "does not exist; make it first"
        raise H4HError(f"{option} {given}: the folder {folder} {problem}")
    if reason := folder_problem(folder):
        raise H4HError(f"{option} {given}: {reason}; name another one")


def read(names: Sequence[str], database: Path) -> list[Reported]:
    """Reads the studies of a report.

    Raises:
        H4HError: One is missing, empty or named twice, or there are too many.
    """
    if len(names) > MOST_STUDIES:
        raise H4HError(f"a report holds at most {MOST_STUDIES} studies, but got {len(names)}")
    reported = []
    for name in names:
        if names.count(name) > 1:
            raise H4HError(f"study {name!r} is named twice: name different ones")
        study, evaluations = read_study(name, database)
        if not evaluations:
            raise H4HError(f"study {name!r} has no evaluations yet: run it, or leave it out")
        reported.append(Reported(Contender(name, study, tuple(evaluations)), located(name, database)[0]))
    return reported


def numbers(reported: Reported) -> dict[str, Any]:
    """Summary of a study, and the importance of its genes; None without any information."""
    contender = reported.contender
    found = gene_shares(contender.study, contender.evaluations)
    return {
        **summary_record(contender.study, contender.evaluations),
        "study": contender.name,
        "importance": None
        if found is None
        else {"evaluations": found.evaluations, "shares": found.by_objective()},
    }


def write_page(record: ReportRecord, out: Path) -> None:
    """Writes the HTML file, whole or not at all.

    Raises:
        H4HError: It cannot be written.
    """
    from studies.report_page.html import page

    try:
        with whole_file(out) as temporary:
            temporary.write_text(page(record), encoding="utf-8")
    except OSError as error:
        raise H4HError(f"--out {out}: cannot be written ({error.strerror})") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the report, the figures, or both.

    Raises:
        H4HError: A study is missing or empty, or something cannot be written.
    """
    options = parser().parse_args(arguments)
    if options.json:
        if options.out is not None or options.plots is not None or options.beside or options.by_class:
            raise H4HError(
                f"--json prints numbers and no page: leave out --out, --plots, {OPTION} and {by_class.OPTION}"
            )
        print(json.dumps({"studies": list(map(numbers, read(options.studies, options.db)))}, allow_nan=False))
        return
    check_outputs(options.out, options.plots)
    files, figures = read_beside(options.beside), read_by_class(options.by_class)
    reported = read(options.studies, options.db)
    record = report_record(reported)
    add_beside(record, reported, files)
    add_by_class(record, figures)
    for note in record["notes"]:
        print(f"note: {note}")
    if options.out is not None:
        write_page(record, options.out)
        print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")
    if options.plots is not None:
        from studies.report_page.figures import save_figures

        names = save_figures(record, options.plots)
        print(f"wrote {', '.join(names)} to {options.plots}, each as PNG, SVG and PDF")


if __name__ == "__main__":
    run_command(main)
