"""Writes a study for other tools.

python -m studies.export STUDY --format csv --out study.csv        # pandas.read_csv("study.csv")
python -m studies.export STUDY --format json --out study.json
python -m studies.export STUDY --format optuna --out optuna.db     # optuna-dashboard sqlite:///optuna.db
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.genotype import to_text
from studies.storage.database_option import add_database
from studies.storage.named_study import read_study
from studies.study.constraint import parse_constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Study

FORMATS = ("csv", "json", "optuna")


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(prog="python -m studies.export", description="Writes a study for other tools.")
    add = result.add_argument
    add("study", metavar="STUDY", help="name of the study, or OTHER.db:NAME")
    add_database(add)
    add("--format", choices=FORMATS, required=True, help="a table, everything, or an Optuna database")
    add("--out", type=Path, required=True, metavar="FILE", help="file to write; there must be none yet")
    return result


def rows(study: Study, evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """One record for each evaluation: values, counts, its chip if that was searched, then every gene with the
    option chosen.

    None where a value was not measured, and for a gene that the network does not use. Where racing stopped a
    subnet after so many images, its accuracy is an upper bound.
    """
    space = study.search_space
    front = {one.index for one in study.front(evaluations)}
    limited = [parse_constraint(text).quantity for text in study.constraints]
    found = []
    for one in evaluations:
        active = space.active(one.genotype)
        found.append(
            {
                "id": one.index,
                **dict(zip(limited, one.limited, strict=True)),
                **dict(zip(study.objectives, one.values, strict=True)),
                "stopped_after": one.stopped_after,
                "feasible": one.is_feasible,
                "on_front": one.index in front,
                "macs": one.macs,
                "params": one.params,
                "conv_blocks": one.conv_blocks,
                "vit_blocks": one.vit_blocks,
                "family": one.family,
                **study.chosen_hardware(one.genotype),
                "genotype": to_text(one.genotype),
                **{
                    gene.name: gene.options[index] if is_active else None
                    for gene, index, is_active in zip(space.genes, one.genotype, active, strict=True)
                },
            }
        )
    return found


def write_csv(study: Study, evaluations: Sequence[Evaluation], path: Path) -> None:
    """A header and one line for each evaluation; empty where there is no value."""
    records = rows(study, evaluations)
    with whole_file(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, records[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)


def write_json(study: Study, evaluations: Sequence[Evaluation], path: Path) -> None:
    """The study with its settings, space and fingerprint, and its evaluations as the CSV has them."""
    record = {**asdict(study), "evaluations": rows(study, evaluations)}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(record, allow_nan=False))


def write_optuna(study: Study, evaluations: Sequence[Evaluation], path: Path) -> None:
    """An Optuna database; takes some hundredths of a second for each evaluation."""
    from studies.presentation.optuna_database import trials, write

    console = Console(stderr=True)
    made = track(
        trials(study, evaluations),
        "trials",
        total=len(evaluations),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    write(study, made, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the file that the command line asks for.

    Raises:
        H4HError: The study is missing or empty, or the file exists or cannot be written.
    """
    options = parser().parse_args(arguments)
    study, evaluations = read_study(options.study, options.db)
    if not evaluations:
        raise H4HError(f"study {study.name!r} has no evaluations yet: run it first")
    if options.out.exists():
        raise H4HError(f"--out {options.out} exists: name another file, or remove it")
    if not options.out.parent.is_dir():
        raise H4HError(f"--out {options.out}: the folder {options.out.parent} does not exist; make it first")
    write = {"csv": write_csv, "json": write_json, "optuna": write_optuna}[options.format]
    try:
        write(study, evaluations, options.out)
    except OSError as error:
        raise H4HError(f"--out {options.out} cannot be written ({error.strerror})") from error
    print(f"{len(evaluations)} evaluations of study {study.name!r}: {options.out}")
    if options.format == "optuna":
        print(f"next: optuna-dashboard sqlite:///{options.out}")


if __name__ == "__main__":
    run_command(main)
