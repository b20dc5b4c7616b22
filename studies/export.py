"""Export a study as CSV, JSON or an Optuna database.

python -m studies.export STUDY --format csv --out study.csv        # pandas.read_csv("study.csv")
python -m studies.export STUDY --format json --out study.json
python -m studies.export STUDY --format optuna --out optuna.db     # optuna-dashboard sqlite:///optuna.db
"""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import track

from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.csv_cell import safe_cells
from search_space.files.whole_file import whole_file
from studies.presentation.plain_records import rows
from studies.storage.named_study import add_database, add_study, read_study
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def dump_csv(study: Study, evaluations: Sequence[Evaluation], file: TextIO) -> None:
    """Writes a header and one line for each evaluation; empty where there is no value."""
    records = list(map(safe_cells, rows(study, evaluations)))
    writer = csv.DictWriter(file, records[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)


def dump_json(study: Study, evaluations: Sequence[Evaluation], file: TextIO) -> None:
    """Writes the study with its settings, space and fingerprint, and its evaluations as in the CSV."""
    json.dump({**asdict(study), "evaluations": rows(study, evaluations)}, file, allow_nan=False)
    file.write("\n")


def write_text(study: Study, evaluations: Sequence[Evaluation], path: Path, kind: str) -> None:
    """Writes a new file of the format `kind`, a key of `TEXTS`."""
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        TEXTS[kind](study, evaluations, file)


TEXTS: Mapping[str, Callable[[Study, Sequence[Evaluation], TextIO], None]] = {
    "csv": dump_csv,
    "json": dump_json,
}
FORMATS = (*TEXTS, "optuna")
STDOUT = Path("-")


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(prog="python -m studies.export", description="Export a study for other tools.")
    add = result.add_argument
    add_study(result, "study to export")
    add_database(add)
    add(
        "--format",
        choices=FORMATS,
        required=True,
        help="table of evaluations, the whole study, or an Optuna database",
    )
    add(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write, which must not exist yet, or - for stdout",
    )
    return result


def write_optuna(study: Study, evaluations: Sequence[Evaluation], path: Path) -> None:
    """Writes an Optuna database; takes some hundredths of a second for each evaluation."""
    from studies.presentation.optuna_database import trials, write

    console = Console(stderr=True)
    shown_trials = track(
        trials(study, evaluations),
        "trials",
        total=len(evaluations),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    write(study, shown_trials, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the file.

    Raises:
        H4HError: The study is missing or empty, or the file exists or cannot be written.
    """
    options = parser().parse_args(arguments)
    study, evaluations = read_study(options.study, options.db)
    if not evaluations:
        raise H4HError(f"study {study.name!r} has no evaluations yet: run it first")
    if options.out == STDOUT:
        if options.format == "optuna":
            raise H4HError("--out - is stdout, but an Optuna database is a file: give its name")
        TEXTS[options.format](study, evaluations, sys.stdout)
        return
    if options.out.exists():
        raise H4HError(f"--out {options.out} exists: name another file, or remove it")
    if not options.out.parent.is_dir():
        raise H4HError(f"--out {options.out}: the folder {options.out.parent} does not exist; make it first")
    write = {"optuna": write_optuna}.get(options.format, partial(write_text, kind=options.format))
    try:
        write(study, evaluations, options.out)
    except OSError as error:
        raise H4HError(f"--out {options.out} cannot be written ({error.strerror})") from error
    print(f"{len(evaluations)} evaluations of study {study.name!r}: {options.out}")
    if options.format == "optuna":
        print(f"next: optuna-dashboard {shlex.quote(f'sqlite:///{options.out.absolute()}')}")


if __name__ == "__main__":
    run_command(main)
