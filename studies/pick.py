"""Picks one subnet from the front of a study, by limits and a preference, and says why.

python -m studies.pick STUDY --max-lat 2ms --prefer knee
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError, UnknownNameError
from search_space.genotype import to_text
from search_space.space import is_built_in
from studies.design_space.joint_space import networks_of
from studies.presentation.next_commands import CHIP_OPTIONS, command_text, profile_command
from studies.presentation.text_table import front_table, number_text
from studies.show import evaluation_record
from studies.storage.database_option import add_database
from studies.storage.named_study import read_study
from studies.study.constraint import Constraint, parse_constraint
from studies.study.evaluation import Evaluation
from studies.study.pareto_front import Floats
from studies.study.study import Study

KNEE = "knee"
LIMITS = {
    "max_lat": "lat<=",
    "max_energy": "energy<=",
    "max_area": "area<=",
    "min_acc": "acc>=",
    "max_macs": "macs<=",
    "max_params": "params<=",
    "max_sram": "sram<=",
}
"""Options, each the beginning of a constraint."""


class PickError(H4HError):
    """No subnet can be picked."""


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.pick",
        description="Picks one subnet from the front of a study and says why.",
    )
    add = result.add_argument
    add("study", metavar="STUDY", help="name of the study, or OTHER.db:NAME")
    add_database(add)
    for name, constraint in LIMITS.items():
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


@dataclass(frozen=True)
class Pick:
    """The choice.

    Attributes:
        chosen: The subnet.
        candidates: The front's members within the limits, best in the first objective first.
        front: Number of the front's members.
        reason: Why this one, in a sentence.
    """

    chosen: Evaluation
    candidates: tuple[Evaluation, ...]
    front: int
    reason: str


def knee(points: Floats) -> int:
    """Row of the best compromise among points (n, m) of a front.

    Each loss is scaled to 0 at the best and 1 at the worst of the points; the least sum is the point that
    lies farthest before the plane through the ends of the front (Das, Structural Optimization 18, 1999).
    """
    low, high = points.min(axis=0), points.max(axis=0)
    spread = high - low
    spread[spread == 0] = 1.0
    return int(((points - low) / spread).sum(axis=1).argmin())


def pick(study: Study, evaluations: Sequence[Evaluation], limits: Sequence[Constraint], prefer: str) -> Pick:
    """One member of the front within `limits`.

    Args:
        study: The study.
        evaluations: All of it.
        limits: On quantities that the study knows.
        prefer: `KNEE` or an objective of the study.

    Raises:
        UnknownNameError: `prefer` is neither.
        PickError: The study does not know a limited quantity, or nothing is within the limits.
    """
    if prefer not in (KNEE, *study.objectives):
        raise UnknownNameError("preference", prefer, (KNEE, *study.objectives))
    front = study.front(evaluations)
    if not front:
        raise PickError(
            f"study {study.name!r} has no feasible subnet to pick: run it on, or relax its constraints"
        )
    candidates = front
    for limit in limits:
        held = [one for one in candidates if limit.violation(_quantity(study, one, limit.quantity)) <= 0]
        if not held:
            values = [_quantity(study, one, limit.quantity) for one in candidates]
            nearest = min(values) if limit.operator == "<=" else max(values)
            which = "least" if limit.operator == "<=" else "most"
            raise PickError(
                f"no member of the front holds {limit}{_others(limits, limit)}: the {which} {limit.quantity} "
                f"is {nearest:.4g}{limit.unit}; relax the limit, or search on with --constraint '{limit}'"
            )
        candidates = held
    points = study.losses(candidates)
    if prefer == KNEE:
        row = knee(points)
        reason = f"least sum of {', '.join(study.objectives)}, each scaled to its range among them"
    else:
        row = int(points[:, study.objectives.index(prefer)].argmin())
        reason = f"best {prefer} among them"
    return Pick(candidates[row], tuple(candidates), len(front), reason)


def _others(limits: Sequence[Constraint], limit: Constraint) -> str:
    before = [str(one) for one in limits[: list(limits).index(limit)]]
    return f" together with {', '.join(before)}" if before else ""


def _quantity(study: Study, evaluation: Evaluation, name: str) -> float:
    """A value that the study has stored.

    Raises:
        PickError: It has none of this name.
    """
    quantities = [parse_constraint(text).quantity for text in study.constraints]
    known = dict(zip(quantities, evaluation.limited, strict=True))
    known |= dict(zip(study.objectives, evaluation.values, strict=True))
    known |= {"macs": float(evaluation.macs), "params": float(evaluation.params)}
    value = known.get(name)
    if value is None:
        raise PickError(
            f"study {study.name!r} does not know {name}: limit one of {', '.join(known)}, or run a study "
            f"with {name} among its --objectives"
        )
    return value


def limits_of(options: Namespace) -> list[Constraint]:
    """The limits that the command line asks for.

    Raises:
        ConstraintError: A value has a wrong unit or is no number.
    """
    given = {name: getattr(options, name) for name in LIMITS}
    return [parse_constraint(f"{LIMITS[name]}{text}") for name, text in given.items() if text is not None]


def space_name(study: Study) -> str | None:
    """What --space calls the space of `study`; None for a user's own that came with a checkpoint alone."""
    given = study.settings.get("space")
    if given is not None:
        return str(given)
    return study.space if is_built_in(networks_of(study.search_space)) else None


def next_commands(study: Study, evaluation: Evaluation) -> dict[str, str]:
    """What to do with the subnet, as commands; no profile of a space that has no file known to the study."""
    settings, network = study.settings, study.network(evaluation.genotype)
    space = space_name(study)
    weights = ["--checkpoint", str(settings["checkpoint"])] if settings.get("checkpoint") else []
    data = ["--data", str(settings["data"])] if settings.get("data") else []
    out = f"runs/{study.name}-{evaluation.index}"
    tune = ["--subnet", to_text(network), *weights, *data]
    commands = {}
    if space is not None:
        hardware = {name: settings.get(name) for name in ("hardware", *CHIP_OPTIONS)}
        hardware |= study.chosen_hardware(evaluation.genotype)
        commands["profile"] = profile_command(space, network, hardware)
    return commands | {
        "fine-tune": command_text("supernet.finetune", ["--epochs", "20", *tune, "--out", out]),
        "export": command_text("supernet.finetune", ["--epochs", "0", *tune, "--out", f"{out}-as-is"]),
    }


def print_pick(study: Study, found: Pick, limits: Sequence[Constraint]) -> None:
    """The choice for a person: why, what it gives up, and what to do next."""
    held = f" hold {', '.join(map(str, limits))}" if limits else ""
    print(f"study {study.name!r}: {len(found.candidates)} of the {found.front} subnets of the front{held}")
    print(f"picked id {found.chosen.index}: {found.reason}")
    print_wide(front_table(study, [found.chosen]))
    print(str(study.search_space.decode(found.chosen.genotype)))
    for text in given_up(study, found):
        print(f"  {text}")
    print()
    print("next:")
    for name, command in next_commands(study, found.chosen).items():
        print(f"  {name:<10} {command}")


def given_up(study: Study, found: Pick) -> list[str]:
    """For each objective whose best candidate is another one, what choosing that one would change."""
    texts = []
    points = study.losses(found.candidates)
    for column, goal in enumerate(study.goals):
        best = found.candidates[int(points[:, column].argmin())]
        if best.values[column] == found.chosen.values[column]:
            continue
        others = [
            f"{other.name} {number_text(best.values[place], other.unit)} {other.unit}"
            for place, other in enumerate(study.goals)
            if place != column
        ]
        value = f"{number_text(best.values[column], goal.unit)} {goal.unit}"
        rest = f" ({', '.join(others)})" if others else ""
        texts.append(f"best {goal.name} would be id {best.index}: {value}{rest}")
    return texts


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what the command line asks for.

    Raises:
        H4HError: The study is missing or empty, or nothing is within the limits.
    """
    options = parser().parse_args(arguments)
    limits = limits_of(options)
    study, evaluations = read_study(options.study, options.db)
    found = pick(study, evaluations, limits, options.prefer)
    if options.json:
        record = {
            "study": study.name,
            "picked": evaluation_record(study, found.chosen),
            "reason": found.reason,
            "limits": list(map(str, limits)),
            "candidates": len(found.candidates),
            "front_size": found.front,
            "next": next_commands(study, found.chosen),
        }
        print(json.dumps(record, allow_nan=False))
        return
    print_pick(study, found, limits)


if __name__ == "__main__":
    run_command(main)
