"""Savings of CIM macros over the NPU alone, on random subnets.

    python -m benchmarks.hardware.calibration [--space NAME] [--explain [NUMBERS]] [--json]

Compares 1, 2, 4 and 8 macros, and 8 macros of four compute units, with u55-256 alone. The H4H paper (ASP-DAC
2025) compares searched networks at equal accuracy. Its figures are the targets: with 8 macros latency falls
by 22 % on average and 56 % at most, energy by 12 % and 33 %; with four compute units energy falls by 19 % and
42 %. They imply that a macro is worth 4 to 16 % of the NPU, and that an op on it takes 0.4 to 0.7 of the
energy (docs/results/paper-comparison.md).

`--explain` shows which numbers decide the savings of 8 macros, with one compute unit and with four. It sets
every number with low < high in the SoC file, or the named ones, to its low and to its high end, and does the
same on the NPU alone if that has the number. It also sets all of them to the end that saves more energy,
tries the other mappings, and evaluates the quarter of the subnets with the largest share of movable time.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from objectives.hardware import MAPPINGS, CostModel, SoC, load_soc
from objectives.hardware.mapping.op_splits import split_costs
from objectives.hardware.mapping.placement import op_costs
from objectives.hardware.parts.cim import RUNS
from objectives.hardware.soc import assumed, with_value
from objectives.hardware_objectives import network_totals
from objectives.workload import ops_of, workload
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import UnknownNameError
from search_space.space import Space, load_space
from search_space.subnet import Subnet

REFERENCE = "u55-256"
CHIPS = ("u55-256-cim1", "u55-256-cim2", "u55-256-cim4", "u55-256-cim8", "u55-256-cim8x4")


def random_subnets(space: Space, count: int, seed: int) -> list[Subnet]:
    """`count` subnets with uniformly drawn genes."""
    rng = np.random.default_rng(seed)
    return [space.decode(space.sample(rng)) for _ in range(count)]


def compare(chip: str, subnets: Sequence[Subnet], mapping: str) -> dict[str, Any]:
    """Figures of one chip against the NPU alone, as ratios and shares, not in percent."""
    soc = load_soc(chip)
    reference = load_soc(REFERENCE)
    alone = network_totals(CostModel(reference), subnets)
    start = time.process_time()
    both = network_totals(CostModel(soc, mapping), subnets)
    seconds = time.process_time() - start
    latency, energy = (1 - both[index] / alone[index] for index in (0, 1))

    counts = Counter(op for subnet in subnets for op in ops_of(workload(subnet)))
    npu_cycles = cim_cycles = npu_pj = cim_pj = 0.0
    every_cycles = sum(count * float(soc.npu.cycles([op])[0]) for op, count in counts.items())
    movable = [op for op in counts if op.kind in RUNS]
    for op, splits in zip(movable, split_costs(movable, soc, "cim"), strict=True):
        cost = op_costs(None, splits, soc)
        on_cim, on_npu = cost.at(-1, -1, 0, 0), cost.at(-1, -1, 1, 0)
        npu_cycles += counts[op] * on_npu["npu_cycles"]
        macros = on_cim["transfer_cycles"] + on_cim["cim_cycles"] - on_cim["overlap_cycles"]
        cim_cycles += counts[op] * (max(macros, on_cim["sram_cycles"]) + on_cim["tail_cycles"])
        npu_pj += counts[op] * _energy(on_npu)
        cim_pj += counts[op] * _energy(on_cim)
    return {
        "hardware": chip,
        "latency_saved": {"mean": latency.mean(), "max": latency.max(), "min": latency.min()},
        "energy_saved": {"mean": energy.mean(), "max": energy.max(), "min": energy.min()},
        "movable_share_of_npu_time": npu_cycles / every_cycles,
        "macro_worth": npu_cycles / cim_cycles / soc.macros,
        "energy_per_op_ratio": cim_pj / npu_pj,
        "cpu_seconds": seconds,
    }


@dataclass(frozen=True)
class Gain:
    """Savings of one chip over the NPU alone under one change, as shares, not in percent.

    Attributes:
        what: The changed number with its value, or another change.
        latency: Mean latency saved.
        latency_max: Maximum latency saved.
        energy: Mean energy saved.
        energy_max: Maximum energy saved.
    """

    what: str
    latency: float
    latency_max: float
    energy: float
    energy_max: float


def explain(chip: str, subnets: Sequence[Subnet], mapping: str, names: Sequence[str] = ()) -> list[Gain]:
    """Savings of a chip without change, then under every change.

    Args:
        chip: Name of the SoC.
        subnets: The subnets.
        mapping: Cost that their mapping minimises.
        names: Numbers to vary; all assumed numbers if empty.

    Returns:
        The chip without change, all changes that save energy together, other mappings, the quarter of the
        subnets with the most movable time; then single numbers, sorted by their effect on the mean energy
        saving.

    Raises:
        UnknownNameError: The chip has no such number.
    """
    soc, reference = load_soc(chip), load_soc(REFERENCE)
    known = dict(soc.quantities())
    for name in names:
        if name not in known:
            raise UnknownNameError("quantity", name, known)
    in_both = {name for name, _ in reference.quantities()}
    alone = network_totals(CostModel(reference), subnets)

    def gain(what: str, changes: dict[str, float], mapping: str = mapping) -> Gain:
        changed, other, totals = soc, reference, alone
        for name, value in changes.items():
            changed = with_value(changed, name, value)
            other = with_value(other, name, value) if name in in_both else other
        if other is not reference:
            totals = network_totals(CostModel(other), subnets)
        both = network_totals(CostModel(changed, mapping), subnets)
        return _gain(what, alone=totals, both=both)

    nominal = gain("no change", {})
    single: list[Gain] = []
    helping: dict[str, tuple[float, float]] = {}
    for name, end, value in assumed(soc):
        if (names and name not in names) or (name == "cim.macros" and value == 0):
            continue
        changed = gain(f"{name} {end} {value:g}", {name: value})
        single.append(changed)
        if changed.energy > max(nominal.energy, helping.get(name, (0.0, nominal.energy))[1]):
            helping[name] = (value, changed.energy)
    single.sort(key=lambda change: abs(change.energy - nominal.energy), reverse=True)
    best = {name: value for name, (value, _) in helping.items()}
    others = [gain(f"mapping {name}", {}, name) for name in MAPPINGS[:3] if name != mapping]
    movable = np.array([movable_share(subnet, soc) for subnet in subnets])
    most = np.argsort(-movable)[: max(1, len(subnets) // 4)]
    both = network_totals(CostModel(soc, mapping), subnets)
    quarter = _gain(
        f"quarter with most movable time ({movable[most].mean():.0%}, mean {movable.mean():.0%})",
        alone=(alone[0][most], alone[1][most]),
        both=(both[0][most], both[1][most]),
    )
    return [nominal, gain("all that save energy", best), *others, quarter, *single]


def _gain(what: str, *, alone: tuple[Floats, Floats], both: tuple[Floats, Floats]) -> Gain:
    latency, energy = (1 - both[index] / alone[index] for index in (0, 1))
    return Gain(what, *(float(value) for part in (latency, energy) for value in (part.mean(), part.max())))


def movable_share(subnet: Subnet, soc: SoC) -> float:
    """Share of the NPU's time in ops that macros can run."""
    ops = ops_of(workload(subnet))
    cycles = soc.npu.cycles(ops)
    return float(cycles[[op.kind in RUNS for op in ops]].sum() / cycles.sum())


def explanation(gains: Sequence[Gain], title: str) -> Table:
    """Table of the changes that move a mean by 0.1 points or more."""
    nominal = gains[0]
    table = Table(title=title, title_justify="left")
    table.add_column("change", no_wrap=True)
    for name in ("latency saved", "max", "energy saved", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    for gain in gains:
        moved = max(abs(gain.energy - nominal.energy), abs(gain.latency - nominal.latency))
        if gain is nominal or moved >= 0.001:
            values = (gain.latency, gain.latency_max, gain.energy, gain.energy_max)
            table.add_row(gain.what, *(f"{value:.1%}" for value in values))
    return table


def _energy(numbers: dict[str, float]) -> float:
    return sum(numbers[f"{part}_pj"] for part in ("mac", "sram", "mram", "noc", "handover", "static"))


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.hardware.calibration", description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar32")
    parser.add_argument("--subnets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mapping", choices=MAPPINGS[:3], default="latency")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="NUMBERS",
        help="vary all assumed numbers, or those listed as a,b,c",
    )
    options = parser.parse_args()
    subnets = random_subnets(load_space(options.space), options.subnets, options.seed)
    if options.explain is not None:
        names = [name.strip() for name in options.explain.split(",") if name.strip()]
        explained = {chip: explain(chip, subnets, options.mapping, names) for chip in CHIPS[-2:]}
        if options.json:
            print(
                json.dumps(
                    {chip: [asdict(gain) for gain in gains] for chip, gains in explained.items()}, indent=2
                )
            )
            return
        for chip, gains in explained.items():
            print_wide(
                explanation(gains, f"{chip} against {REFERENCE}: {options.subnets} of {options.space}")
            )
        return
    records = [compare(chip, subnets, options.mapping) for chip in CHIPS]
    if options.json:
        print(json.dumps({"space": options.space, "subnets": options.subnets, "chips": records}, indent=2))
        return
    table = Table(title=f"{options.subnets} random subnets of {options.space}, against {REFERENCE} alone")
    table.add_column("")
    for record in records:
        table.add_column(record["hardware"], justify="right")
    for name in ("latency_saved", "energy_saved"):
        for part in ("mean", "max", "min"):
            table.add_row(f"{name} {part}", *(f"{record[name][part]:.1%}" for record in records))
    for name in ("movable_share_of_npu_time", "macro_worth", "energy_per_op_ratio"):
        table.add_row(name, *(f"{record[name]:.3f}" for record in records))
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
