"""Pick one subnet from the front of a study, by limits and a preference, and say why.

python -m studies.pick STUDY --max-lat 2ms --prefer knee
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from objectives.registry import declarations
from search_space.command.command_line import Parser, run_command
from search_space.command.printed_command import command_text, local
from search_space.command.wide_table import print_wide
from studies.analysis.pick_rules import KNEE, Pick, given_up, pick
from studies.presentation.next_commands import FINE_TUNE, absolute_files, next_commands
from studies.presentation.plain_records import evaluation_record
from studies.presentation.text_table import front_table, scope_lines
from studies.storage.named_study import add_database, add_study, located, read_study
from studies.study.constraint import Constraint, parse_constraint
from studies.study.study import Study


def limit_options() -> dict[str, str]:
    """Options that limit an objective, each with the beginning of its constraint."""
    return {
        f"max_{name}" if declared.direction == "min" else f"min_{name}": (
            f"{name}<=" if declared.direction == "min" else f"{name}>="
        )
        for name, declared in declarations().items()
    }


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.pick",
        description="Pick one subnet from the front of a study, and say why.",
    )
    add = result.add_argument
    add_study(result, "study to pick from")
    add_database(add)
    for name, constraint in limit_options().items():
        which = "most" if "<" in constraint else "least"
        add(
            f"--{name.replace('_', '-')}",
            metavar="VALUE",
            help=f"{which} {constraint[:-2]} with its unit, as constraints of studies.run have it",
        )
    add(
        "--prefer",
        default=KNEE,
        metavar="WHAT",
        help="knee, the best compromise, or an objective, whose best value is taken (default: %(default)s)",
    )
    add("--json", action="store_true", help="print JSON instead of text")
    return result


def limits_of(options: Namespace) -> list[Constraint]:
    """The limits of the command line.

    Raises:
        ConstraintError: A value has a wrong unit or is no number.
    """
    given = {start: getattr(options, name) for name, start in limit_options().items()}
    return [parse_constraint(f"{start}{text}") for start, text in given.items() if text is not None]


def print_pick(study: Study, choice: Pick, limits: Sequence[Constraint], database: Path) -> None:
    """Prints the choice: its reason, what it gives up, and next commands."""
    satisfying = f" satisfy {', '.join(map(str, limits))}" if limits else ""
    candidates = f"{len(choice.candidates)} of the {choice.front} subnets of the front"
    print(f"study {study.name!r}: {candidates}{satisfying}")
    print(f"picked id {choice.chosen.index}: {choice.reason}")
    print_wide(front_table(study, [choice.chosen]))
    for line in scope_lines(study.objectives):
        print(line)
    print(str(study.search_space.decode(choice.chosen.genotype).subnet))
    if choice.equal:
        print(f"  also a tie, and no more expensive: ids {', '.join(str(row.index) for row in choice.equal)}")
    if choice.near:
        print("  next to the knee, with the amounts by which their sums exceed its own:")
        more = {"sum": [f"+{excess:.3f}" for _, excess in choice.near]}
        print_wide(front_table(study, [row for row, _ in choice.near], more=more))
    for text in given_up(study, choice):
        print(f"  {text}")
    print()
    commands = _commands(study, choice, database)
    if commands:
        print("next:")
    for name, command in commands.items():
        print(f"  {name:<10} {command}")
    if study.knows_networks and FINE_TUNE not in commands:
        print(f"  no supernet of space {study.space!r}: train one to fine-tune or export this network")


def _commands(study: Study, choice: Pick, database: Path) -> dict[str, str]:
    """Commands for the choice that run from any folder, by title."""
    settings = dict(study.settings) | absolute_files(study.settings)
    commands = next_commands(replace(study, settings=settings), choice.chosen)
    if FINE_TUNE in commands and "acc" in study.quantities and "hardware_digest" in study.fingerprint:
        words = [study.name, "--db", str(database.absolute()), "--id", str(choice.chosen.index)]
        words += ["--out", f"runs/{study.name}-{choice.chosen.index}-deployed"]
        commands["deploy"] = command_text("studies.deploy", words)
    return {title: local(command) for title, command in commands.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Picks a subnet and prints it.

    Raises:
        H4HError: The study is missing or empty, or nothing is within the limits.
    """
    options = parser().parse_args(arguments)
    limits = limits_of(options)
    database, name = located(options.study, options.db)
    study, evaluations = read_study(name, database)
    choice = pick(study, evaluations, limits, options.prefer)
    if options.json:
        record = {
            "study": study.name,
            "picked": evaluation_record(study, choice.chosen),
            "reason": choice.reason,
            "instead_of": None if choice.instead is None else choice.instead.index,
            "equal": [row.index for row in choice.equal],
            "near": [{"id": row.index, "sum_above_knee": excess} for row, excess in choice.near],
            "limits": list(map(str, limits)),
            "candidates": len(choice.candidates),
            "front_size": choice.front,
            "next": _commands(study, choice, database),
        }
        print(json.dumps(record, allow_nan=False))
        return
    print_pick(study, choice, limits, database)


if __name__ == "__main__":
    run_command(main)
