"""Savings of CIM macros over the NPU alone, at the fronts that a search finds for each chip.

    python -m benchmarks.hardware.calibration --db results.db [--explain [NUMBERS]] [--json]

Compares chips as the H4H paper (ASP-DAC 2025) does: networks are searched anew for each chip, scored on the
test images, and compared at equal accuracy. Searches, measures and intervals are those of
`benchmarks.paper`, by docs/results-protocol.md. Searches that the database lacks are run, others are read.

Two more figures follow from the paper's by arithmetic, and stand beside ours: a macro is worth 4 to 16 % of
the NPU, and an op on it takes 0.4 to 0.7 of the energy. Here they are measured over the front networks,
mapped onto the macros as far as possible, against the same ops on the NPU alone.

`--explain` shows which assumed numbers decide the savings. It sets every number with low < high in the SoC
file, or the named ones, to its low and to its high end on both chips, and forms the fronts again from the
networks of all fronts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.paper import tables
from benchmarks.paper.campaign import Campaign, add_options, campaign, parse_run
from benchmarks.paper.comparison import Fronts, all_figures
from benchmarks.paper.protocol import COST_NAMES, COSTS, PAIRS, PRIMARY
from benchmarks.paper.remapping import AssumedNumber, check_names
from benchmarks.paper.searches import chip as load_chip
from objectives.hardware import CostModel
from objectives.hardware.mapping.mapper import CapacityError
from objectives.workload import ops_of, read_again, workload
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.subnet import Subnet

WORTH = "0.04 to 0.16"
ENERGY_RATIO = "0.4 to 0.7; 4 units: 0.26 to 0.58"
"""What the paper's figures imply of one macro and of one op."""


@dataclass(frozen=True)
class MacroWorth:
    """Macros against the NPU on the ops that can move.

    Attributes:
        speed: Speed of one macro as a share of the NPU's.
        energy: Energy of an op on the macros as a share of that on the NPU.
        networks: Networks whose weights the macros can hold; the others are left out.
    """

    speed: float
    energy: float
    networks: int


def macro_worth(chip: str, subnets: Sequence[Subnet]) -> MacroWorth:
    """Compares the ops that macros can run with the same ops on the NPU alone.

    Args:
        chip: Chip with macros, one of `PAIRS`.
        subnets: Networks, mapped onto the macros as far as possible.
    """
    soc = load_chip(chip)
    forced, alone = CostModel(soc, "cim"), CostModel(load_chip(PAIRS[chip]))
    cim_cycles = npu_cycles = cim_pj = npu_pj = 0.0
    networks = 0
    for subnet in subnets:
        steps = workload(subnet)
        ops, again = ops_of(steps), read_again(steps)
        try:
            moved = forced.network(ops, again)
        except CapacityError:
            continue
        networks += 1
        for on_cim, on_npu in zip(moved.ops, alone.network(ops, again).ops, strict=True):
            if on_cim.schema == "cim":
                cim_cycles += on_cim.cycles
                npu_cycles += on_npu.cycles
                cim_pj += on_cim.energy_pj
                npu_pj += on_npu.energy_pj
    if not cim_cycles:
        return MacroWorth(float("nan"), float("nan"), networks)
    return MacroWorth(npu_cycles / cim_cycles / soc.macros, cim_pj / npu_pj, networks)


def worth_by_chip(at: Campaign, found: Fronts) -> dict[str, MacroWorth]:
    """Worth of the macros of each chip, over the networks on its fronts."""
    space = at.searches.space
    return {
        chip: macro_worth(chip, [space.decode(one) for one in found.networks([chip])])
        for chip in at.run.chips
    }


def table(figures: tables.ByChip, worth: dict[str, MacroWorth]) -> Table:
    """One column for each chip, the paper's values in the first."""
    result = Table(title="saved at equal accuracy, in % (95 % interval)", title_justify="left")
    for name in ("", "paper", *worth):
        result.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for cost in COSTS:
        for measure, word in zip(tables.SAVED, ("mean", "most"), strict=True):
            papers = [f"{one.paper:g}" for one in PRIMARY if (one.cost, one.measure) == (cost, measure)]
            cells = [tables.interval(figures[chip, cost][measure]) for chip in worth]
            result.add_row(f"{COST_NAMES[cost]}, {word}", "; 4 units: ".join(papers), *cells)
    result.add_row("one macro, in NPUs", WORTH, *(tables.number(one.speed, 3) for one in worth.values()))
    result.add_row(
        "CIM / NPU energy of an op", ENERGY_RATIO, *(tables.number(one.energy, 3) for one in worth.values())
    )
    return result


def explanation(at: Campaign, numbers: Sequence[AssumedNumber]) -> Table:
    """Primary figures with each assumed number at its ends, as a table for the terminal."""
    head, *rows = tables.assumed_table(at.run, numbers)
    result = Table(title="primary figures with assumed numbers at their ends", title_justify="left")
    for name in head:
        result.add_column(name, justify="right" if name != head[0] else "left")
    for row in rows:
        result.add_row(*(cell.replace("`", "") for cell in row))
    return result


def record(at: Campaign, figures: tables.ByChip, worth: dict[str, MacroWorth]) -> dict[str, Any]:
    """The comparison as plain data for JSON; None for what is undefined."""
    return {
        "space": at.searches.space.name,
        "departures": at.run.departures(at.searches.space.name, at.scores.images),
        "chips": [
            {
                "hardware": chip,
                "digest": load_chip(chip).digest,
                "against": PAIRS[chip],
                **{
                    f"{COST_NAMES[cost]}_{measure}": defined(asdict(found))
                    for cost in COSTS
                    for measure, found in figures[chip, cost].items()
                },
                "macro": defined(asdict(worth[chip])),
            }
            for chip in worth
        ],
    }


def defined(values: dict[str, float]) -> dict[str, float | None]:
    """`values` with None for those that are not finite, which JSON cannot hold."""
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.hardware.calibration", description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="NUMBERS",
        help="vary all assumed numbers of the default chip, or those listed as a,b,c",
    )
    options = parser.parse_args()
    run = parse_run(options)
    names = [name.strip() for name in (options.explain or "").split(",") if name.strip()]
    check_names(names)
    with campaign(options, run) as at:
        found = at.fronts(at.budget())
        if options.explain is not None:
            numbers = at.assumed(found, names)
            if options.json:
                print(json.dumps([{**asdict(one), "figures": defined(dict(one.figures))} for one in numbers]))
            else:
                print_wide(explanation(at, numbers))
            return
        figures, worth = all_figures(run, found), worth_by_chip(at, found)
        if options.json:
            print(json.dumps(record(at, figures, worth), indent=2))
            return
        print_wide(table(figures, worth))
        for line in run.departures(at.searches.space.name, at.scores.images):
            print(f"departs from the protocol: {line}")


if __name__ == "__main__":
    run_command(main)
