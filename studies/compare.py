"""Compare studies: fronts, gains of one over another, and the blocks of their networks.

python -m studies.compare --db studies.db first second
python -m studies.compare --db studies.db first other.db:second --json
python -m studies.compare --db studies.db --group nsga2=s0,s1,s2 --group random=r0,r1,r2
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.files.csv_cell import safe_cells
from studies.analysis.beside import HELP, METAVAR, OPTION, beside_rows, read_beside
from studies.analysis.beside_table import beside_record, print_beside
from studies.analysis.comparison import CountRange, Pair, blocks, compared_pairs
from studies.analysis.contenders import COSTS, Box, Contender, aligned
from studies.analysis.convergence import NOUNS
from studies.analysis.seed_groups import Group, GroupTest, attained, compared, gained, smallest, summaries
from studies.analysis.significance import LEVEL
from studies.analysis.tradeoff import Gain
from studies.presentation.text_table import scope_lines
from studies.storage.named_study import add_database, read_study
from studies.study.cost_scale import SCALES
from studies.study.quantity_units import known_units
from studies.study.value_window import parse_window

MEASURES = {name: f"{noun}, {unit}" for name, (noun, unit) in NOUNS.items()}


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.compare",
        description="Compare studies with each other, or groups of runs with the same settings.",
        epilog="Write OTHER.db:NAME for a study of another database.",
    )
    add = result.add_argument
    add("studies", nargs="*", metavar="STUDY", help="two or more studies; each is compared with each")
    add_database(add)
    add(
        "--group",
        action="append",
        default=[],
        metavar="NAME=S1,S2,...",
        help="named group of runs that differ in their seed; may be repeated",
    )
    add(
        "--between",
        metavar="RANGES",
        help="least and greatest value of interest of some objectives, such as 'acc=75%%,90%% "
        "lat=0.05ms,5ms': box of the hypervolume, and part of the fronts that gains cover (default: the "
        "bounds of the studies)",
    )
    add(
        "--scale",
        choices=SCALES,
        help="scale of costs in the hypervolume and in IGD+ (default: that of the studies, or log where they "
        "differ)",
    )
    add(OPTION, action="append", default=[], metavar=METAVAR, help=HELP)
    form = result.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON instead of tables")
    form.add_argument("--csv", action="store_true", help="print the pairs as CSV instead of tables")
    return result


@dataclass(frozen=True)
class Comparison:
    """Studies and groups to compare.

    Attributes:
        contenders: Studies that are compared with each other.
        groups: Groups of runs, over the objectives that all runs have.
        box: Wishes for the box.
    """

    contenders: tuple[Contender, ...]
    groups: tuple[Group, ...]
    box: Box


def read(
    names: Sequence[str],
    groups: Sequence[str],
    database: Path,
    *,
    between: str | None = None,
    scale: str | None = None,
) -> Comparison:
    """Reads all studies to compare.

    Args:
        names: Studies to compare with each other.
        groups: Groups as ``NAME=S1,S2,...``.
        database: Database of studies that name no other one.
        between: Window of values as `parse_window` reads it; None for the bounds of the studies.
        scale: Scale of costs; None for that of the studies.

    Raises:
        H4HError: A study or a database is missing, or there is nothing to compare.
    """
    contenders: dict[str, Contender] = {}

    def contender(name: str) -> Contender:
        if name not in contenders:
            study, evaluations = read_study(name, database)
            if not evaluations:
                raise H4HError(f"study {name!r} has no evaluations yet: run it, or leave it out")
            contenders[name] = Contender(name, study, tuple(evaluations))
        return contenders[name]

    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise H4HError(f"study {repeated[0]!r} is named twice: name different ones")
    parsed = []
    for text in groups:
        name, _, members = text.partition("=")
        runs = [run.strip() for run in members.split(",")]
        if not name.strip() or not all(runs) or len(set(runs)) != len(runs):
            raise H4HError(f"--group must be NAME=S1,S2,... with different studies, but got {text!r}")
        parsed.append(Group(name.strip(), tuple(map(contender, runs))))
    if len({group.name for group in parsed}) != len(parsed):
        raise H4HError("--group: two groups have the same name: give each its own")
    alone = tuple(map(contender, names))
    if len(alone) == 1 or (not alone and not parsed):
        raise H4HError("nothing to compare: name at least two studies, or --group NAME=S1,S2,...")
    box = _box(contenders.values(), between, scale)
    return Comparison(alone, _aligned_groups(parsed, box), box)


def _box(contenders: Iterable[Contender], between: str | None, scale: str | None) -> Box:
    if between is None:
        return Box(scale)
    goals = [goal for contender in contenders for goal in contender.study.goals]
    own = {goal.name: goal.unit for goal in goals if goal.name not in known_units()}
    return Box(scale, parse_window(between, list(dict.fromkeys(goal.name for goal in goals)), own))


def _aligned_groups(groups: Sequence[Group], box: Box) -> tuple[Group, ...]:
    """The groups, reduced to the objectives that all runs have and to one box for the hypervolume."""
    members = [member for group in groups for member in group.members]
    if not members:
        return ()
    same = iter(aligned(members, box))
    return tuple(Group(group.name, tuple(next(same) for _ in group.members)) for group in groups)


def record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data for JSON."""
    pairs, incomparable = compared_pairs(comparison.contenders, comparison.box)
    result: dict[str, Any] = {
        "studies": {contender.name: contender_record(contender) for contender in comparison.contenders},
        "pairs": [asdict(pair) for pair in pairs],
    }
    if incomparable:
        result["incomparable"] = incomparable
    if comparison.groups:
        count = smallest(comparison.groups)
        result["groups"] = [
            {
                **asdict(summary),
                "studies": [member.name for member in group.members],
                "attained": {cost: attained(group, cost) for cost in COSTS},
            }
            for group, summary in zip(comparison.groups, summaries(comparison.groups, count), strict=True)
        ]
        result["tests"] = [asdict(test) for test in compared(comparison.groups, count)]
        result["gains"] = [asdict(gains) for gains in gained(comparison.groups, comparison.box)]
    return result


def contender_record(contender: Contender) -> dict[str, Any]:
    """One study of the comparison, by itself."""
    front = contender.front
    made_of = blocks(front)
    return {
        "evaluations": len(contender.evaluations),
        "feasible": sum(row.is_feasible for row in contender.evaluations),
        "objectives": list(contender.study.objectives),
        "hypervolume": contender.hypervolume(),
        "front_size": len(front),
        **asdict(made_of),
        "members": [
            {
                "id": row.index,
                "conv_blocks": row.conv_blocks,
                "vit_blocks": row.vit_blocks,
                "family": row.family,
            }
            for row in front
        ],
    }


def print_tables(comparison: Comparison) -> None:
    """Prints the comparison as tables."""
    pairs, incomparable = compared_pairs(comparison.contenders, comparison.box)
    if comparison.contenders:
        print_wide(_studies_table(comparison.contenders))
    for pair in pairs:
        _print_pair(pair)
    for text in incomparable:
        print(f"note: {text}")
    if comparison.groups:
        _print_groups(comparison.groups, comparison.box)
    contenders = [*comparison.contenders, *(one for group in comparison.groups for one in group.members)]
    for line in scope_lines(name for one in contenders for name in one.study.objectives):
        print(line)


def _studies_table(contenders: Sequence[Contender]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("study", no_wrap=True)
    names = ("evaluations", "front", "hypervolume", "conv blocks", "ViT blocks", "ViT per 10 conv")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("families of the front", no_wrap=True)
    for contender in contenders:
        front = contender.front
        made_of = blocks(front)
        ratio = "-" if made_of.vit_per_10_conv is None else f"{made_of.vit_per_10_conv:.1f}"
        shares = [f"{name} {share:.0%}" for name, share in made_of.families.items() if share]
        table.add_row(
            contender.name,
            str(len(contender.evaluations)),
            str(len(front)),
            f"{contender.hypervolume():.4f}",
            _spread_text(made_of.conv),
            _spread_text(made_of.vit),
            ratio,
            ", ".join(shares) or "-",
        )
    return table


def _spread_text(spread: CountRange | None) -> str:
    return "-" if spread is None else f"{spread.mean:.1f} ({spread.min}-{spread.max})"


def _print_pair(pair: Pair) -> None:
    print(f"{pair.b} against {pair.a}, by {', '.join(pair.objectives)}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("measure", pair.a, pair.b):
        table.add_column(name, justify="left" if name == "measure" else "right", no_wrap=True)
    table.add_row(
        f"hypervolume after {pair.evaluations} evaluations, {pair.scale} costs",
        f"{pair.hypervolume_a:.4f}",
        f"{pair.hypervolume_b:.4f}",
    )
    table.add_row("distance from the joint front (IGD+)", *map(_distance, (pair.igd_plus_a, pair.igd_plus_b)))
    table.add_row("share of the other's front covered", _share(pair.coverage_ab), _share(pair.coverage_ba))
    print_wide(table)
    _print_gains(f"{pair.b} against {pair.a}", {name: getattr(pair, name) for name in MEASURES})
    for note in pair.notes:
        print(f"note: {note}")
    print()


def _print_gains(title: str, gains: Mapping[str, Gain | None]) -> None:
    """Prints gains with their intervals, if there are any."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title, no_wrap=True)
    for name in ("mean", "95 % interval", "most", "95 % interval", "from", "to"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, text in MEASURES.items():
        gain = gains[name]
        if gain is not None:
            table.add_row(
                text,
                *(f"{gain.mean:+.2f}", _interval(gain.mean_interval)),
                *(f"{gain.max:+.2f}", _interval(gain.max_interval)),
                *(f"{end:.4g}" for end in gain.range),
            )
    if table.row_count:
        print_wide(table)


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{ends[0]:+.2f} to {ends[1]:+.2f}"


def _distance(distance: float | None) -> str:
    return "-" if distance is None else f"{distance:.4f}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _print_groups(groups: Sequence[Group], wishes: Box) -> None:
    count = smallest(groups)
    scale = groups[0].members[0].study.scale
    print(
        f"hypervolume of the groups after {count} evaluations, by {', '.join(_objectives(groups))}, with "
        f"{scale} costs"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("group", no_wrap=True)
    for name in ("runs", "median", "least", "most", "median IGD+"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in summaries(groups, count):
        shares = (f"{value:.4f}" for value in (row.median, row.min, row.max))
        table.add_row(row.name, str(row.runs), *shares, _distance(row.igd_plus))
    print_wide(table)
    tests = compared(groups, count)
    for test in tests:
        print(
            f"{test.b} against {test.a}: better in {test.effect:.0%} of pairs, {_significance(test, tests)}"
        )
    for each in gained(groups, wishes):
        print()
        _print_gains(f"{each.b} against {each.a}, runs paired {each.pairs}", each.gains)
        for note in each.notes:
            print(f"note: {note}")


def _significance(test: GroupTest, tests: Sequence[GroupTest]) -> str:
    if test.p is None:
        return "all runs are equal"
    holm = f", {test.holm_p:.3g} after Holm" if len(tests) > 1 else ""
    few = ""
    if test.seeds_needed is not None:
        beside = f" in {len(tests)} tests" if len(tests) > 1 else ""
        few = f"; too few seeds: p < {LEVEL:g}{beside} takes {test.seeds_needed} in each group"
    return f"p = {test.p:.3g}{holm} ({test.test}){few}"


def _objectives(groups: Sequence[Group]) -> tuple[str, ...]:
    return groups[0].members[0].study.objectives


def print_csv(comparison: Comparison) -> None:
    """The pairs, one row each; columns as in JSON, parts of a gain joined by a dot."""
    rows = [
        safe_cells(_flat(asdict(pair))) for pair in compared_pairs(comparison.contenders, comparison.box)[0]
    ]
    writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _flat(pair: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in pair.items():
        if name in MEASURES:
            gain = value or {"mean": "", "max": "", "range": ("", "")}
            flat |= {f"{name}.mean": gain["mean"], f"{name}.max": gain["max"]}
            flat |= {f"{name}.from": gain["range"][0], f"{name}.to": gain["range"][1]}
            for key in ("mean", "max"):
                low, high = gain.get(f"{key}_interval") or ("", "")
                flat |= {f"{name}.{key}_low": low, f"{name}.{key}_high": high}
        else:
            flat[name] = "; ".join(value) if isinstance(value, tuple) else value
    return flat


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the comparison as tables, JSON or CSV.

    Raises:
        H4HError: A study is missing or empty, or there is nothing to compare.
    """
    options = parser().parse_args(arguments)
    if options.csv and not options.studies:
        raise H4HError("--csv prints pairs of studies: name at least two")
    files = read_beside(options.beside)
    if files and (options.csv or not options.studies):
        raise H4HError(
            f"{OPTION} needs studies to stand beside, and tables or JSON: name studies, without --csv"
        )
    comparison = read(
        options.studies, options.group, options.db, between=options.between, scale=options.scale
    )
    beside = [(each, beside_rows(each.study, each.front, files)) for each in comparison.contenders if files]
    if options.json:
        result = record(comparison)
        for each, rows in beside:
            result["studies"][each.name]["beside"] = beside_record(each.study, rows)
        print(json.dumps(result, allow_nan=False))
    elif options.csv:
        print_csv(comparison)
    else:
        print_tables(comparison)
        for each, rows in beside:
            print(f"{each.name}:")
            print_beside(each.study, rows)


if __name__ == "__main__":
    run_command(main)
