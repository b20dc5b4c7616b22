"""Sensitivity of latency, energy and front to each assumed number of a SoC.

    python -m benchmarks.hardware.sensitivity [--accuracy macs|measured] [--plot FILE] [--json]

A number is assumed if its SoC file states low < high. Each is set to its low and to its high end, one at a
time, and the same random subnets are costed again in their best mapping:

| column | meaning |
|---|---|
| tau | Kendall's rank correlation with the nominal SoC, for latency and for energy; 1: no change of order |
| change | mean of new / nominal - 1, for latency and for energy |
| front kept | share of the subnets on the nominal Pareto front that are still on the front |
| hv lost | share of the hypervolume that the nominal front misses |

The front is over accuracy (max), latency and energy (min) of the random subnets. No SoC changes the accuracy.
Multiply-accumulates stand in for it by default. `--accuracy measured` uses the shipped supernet, which takes
half a second per subnet once; the values are then kept in the user's cache folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from rich.table import Table
from scipy.stats import kendalltau

from benchmarks.search.measured_accuracy import measured_accuracy
from objectives.hardware import CostModel, SoC, load_soc, variant
from objectives.hardware.chip_options import add_hardware_options
from objectives.hardware.soc import assumed, with_value
from objectives.hardware_objectives import network_totals
from objectives.population.cost_tables import SpaceTables
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.complexity import macs
from search_space.errors import H4HError
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from studies.study.hypervolume import MARGIN, hypervolume
from studies.study.pareto_front import nondominated

TABLES_PAY_FROM = 250
"""Number of subnets from which a table of the space takes less time than the cost model, subnet by subnet."""


@dataclass(frozen=True)
class Influence:
    """One number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file.
        end: ``low`` or ``high``.
        value: The number at this end.
        nominal: The number in the SoC file.
        unit: Unit of both.
        latency_tau: Rank correlation of the latency with that on the nominal SoC.
        energy_tau: Rank correlation of the energy with that on the nominal SoC.
        latency_change: Mean relative change of the latency; 0.1 is 10 % slower.
        energy_change: Mean relative change of the energy.
        front_kept: Share of the nominal front that is still on the front.
        hypervolume_lost: Share of the hypervolume that the nominal front misses.
    """

    name: str
    end: str
    value: float
    nominal: float
    unit: str
    latency_tau: float
    energy_tau: float
    latency_change: float
    energy_change: float
    front_kept: float
    hypervolume_lost: float


def influences(
    soc: SoC,
    quality: Floats,
    nominal: tuple[Floats, Floats],
    cost: Callable[[SoC], tuple[Floats, Floats]],
    progress: Callable[[Sequence[Any]], Any] = iter,
) -> list[Influence]:
    """Influence of every assumed number at both ends, the most influential number first.

    Numbers are sorted by front lost, then by ranks lost, hypervolume lost and change, each at the worse end.

    Args:
        soc: The nominal chip.
        quality: Accuracy of the subnets or its stand-in (n,); larger is better.
        nominal: Latency and energy of the subnets on `soc`, each (n,).
        cost: Computes latency and energy of the same subnets on a chip, each (n,).
        progress: Wraps the iterated sequence to display progress.
    """
    numbers = dict(soc.quantities())
    ends = [
        Influence(
            name,
            end,
            value,
            numbers[name].value,
            numbers[name].unit,
            **compared(quality, nominal, cost(with_value(soc, name, value))),
        )
        for name, end, value in progress(list(assumed(soc)))
    ]
    worst: dict[str, tuple[float, ...]] = {}
    for influence in ends:
        worst[influence.name] = max(worst.get(influence.name, ()), _rank(influence))
    return sorted(ends, key=lambda influence: worst[influence.name], reverse=True)


def front(quality: Floats, latency: Floats, energy: Floats) -> NDArray[np.intp]:
    """Indices of the subnets on the Pareto front; each argument has shape (n,)."""
    return nondominated(np.column_stack([-quality, latency, energy]))


def _rank(influence: Influence) -> tuple[float, ...]:
    return (
        1 - influence.front_kept,
        1 - min(influence.latency_tau, influence.energy_tau),
        influence.hypervolume_lost,
        max(abs(influence.latency_change), abs(influence.energy_change)),
    )


def compared(
    quality: Floats, nominal: tuple[Floats, Floats], changed: tuple[Floats, Floats]
) -> dict[str, float]:
    """Figures of one changed chip against the nominal one, by the names of `Influence`.

    Args:
        quality: Accuracy of n subnets (n,); larger is better.
        nominal: Latency and energy on the nominal chip, each (n,).
        changed: Latency and energy on the changed chip, each (n,).
    """
    old, new = front(quality, *nominal), front(quality, *changed)
    after = np.column_stack([-quality, *changed])
    span = after.max(axis=0) - after.min(axis=0)
    ideal, reference = after.min(axis=0), after.max(axis=0) + MARGIN * np.where(span > 0, span, 1.0)
    most = hypervolume(after[new], ideal, reference)
    return {
        "latency_tau": float(kendalltau(nominal[0], changed[0]).statistic),
        "energy_tau": float(kendalltau(nominal[1], changed[1]).statistic),
        "latency_change": float((changed[0] / nominal[0] - 1).mean()),
        "energy_change": float((changed[1] / nominal[1] - 1).mean()),
        "front_kept": len(np.intersect1d(old, new)) / len(old),
        "hypervolume_lost": 1 - hypervolume(after[old], ideal, reference) / most,
    }


def random_genotypes(space: Space, count: int, seed: int) -> list[Genotype]:
    """`count` genotypes with uniformly drawn genes."""
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def report(influential: Sequence[Influence], title: str) -> Table:
    """Table with one row per number and end."""
    table = Table(title=title, title_justify="left")
    for name in ("number", "end", "unit"):
        table.add_column(name, no_wrap=True)
    for name in ("value", "tau lat", "tau energy", "lat", "energy", "front kept", "hv lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in influential:
        table.add_row(
            row.name,
            row.end,
            row.unit,
            f"{row.nominal:g} -> {row.value:g}",
            f"{row.latency_tau:.3f}",
            f"{row.energy_tau:.3f}",
            f"{row.latency_change:+.1%}",
            f"{row.energy_change:+.1%}",
            f"{row.front_kept:.0%}",
            f"{row.hypervolume_lost:.2%}",
        )
    return table


def save_plot(influential: Sequence[Influence], title: str, path: Path) -> None:
    """Draws changes, and ranks, front and hypervolume lost, for the 20 most influential numbers.

    Raises:
        H4HError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    from search_space.files.figure_file import save_figure

    names = list(dict.fromkeys(row.name for row in influential))[:20]
    figure = Figure(figsize=(15, 0.32 * len(names) + 1.8), layout="constrained")
    panels: dict[str, Callable[[Influence], float]] = {
        "latency, mean change in %": lambda row: 100 * row.latency_change,
        "energy, mean change in %": lambda row: 100 * row.energy_change,
        "1 - tau, the worse of both": lambda row: 1 - min(row.latency_tau, row.energy_tau),
        "front lost in %": lambda row: 100 * (1 - row.front_kept),
        "hypervolume lost in %": lambda row: 100 * row.hypervolume_lost,
    }
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (label, length) in zip(axes, panels.items(), strict=True):
        for end, colour, shift in (("low", "#4477aa", -0.2), ("high", "#ee6677", 0.2)):
            rows = [row for row in influential if row.end == end and row.name in names]
            lengths = [length(row) for row in rows]
            places = [names.index(row.name) + shift for row in rows]
            axis.barh(places, lengths, 0.4, color=colour, label=f"at its {end}")
        axis.set_xlabel(label)
        axis.grid(axis="x", alpha=0.3)
        axis.axvline(0, color="black", linewidth=0.8)
    for axis in axes[:2]:
        axis.set_xscale("symlog", linthresh=10)  # a leakage may be off by a factor of 20, a cycle by 1 %
        low, high = axis.get_xlim()
        ticks = [tick for tick in (-100, -10, 0, 10, 100, 1000) if low <= tick <= high]
        axis.set_xticks(ticks, [str(tick) for tick in ticks], fontsize=8)
    figure.axes[0].set_yticks(range(len(names)), names)
    figure.axes[0].invert_yaxis()
    figure.suptitle(title)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_figure(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: Unknown space or hardware, too few subnets, or nothing to vary.
    """
    parser = Parser(
        prog="python -m benchmarks.hardware.sensitivity", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--space", default="cifar32", help="name or YAML file of the search space (default: %(default)s)"
    )
    add_hardware_options(parser)
    parser.add_argument(
        "--subnets",
        type=int,
        default=1000,
        metavar="N",
        help="number of random subnets (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the subnets (default: %(default)s)")
    parser.add_argument(
        "--accuracy",
        choices=("macs", "measured"),
        default="macs",
        help="accuracy of the subnets, or multiply-accumulates in its place (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="file for a figure of the influences: .png, .svg or .pdf"
    )
    options = parser.parse_args(arguments)
    if options.subnets < 2:
        raise H4HError(f"--subnets must be at least 2, because ranks are compared, but got {options.subnets}")
    if options.plot is not None:
        from search_space.files.figure_file import check_figure_path

        check_figure_path(options.plot)

    space = load_space(options.space)
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    if not any(assumed(soc)):
        raise H4HError(f"hardware {soc.name!r} has no number with low < high to vary; use another SoC file")
    genotypes = random_genotypes(space, options.subnets, options.seed)
    subnets = [space.decode(genotype) for genotype in genotypes]
    quality = (
        np.array([macs(subnet) for subnet in subnets], dtype=np.float64)
        if options.accuracy == "macs"
        else measured_accuracy(space, genotypes)
    )

    def cost(chip: SoC) -> tuple[Floats, Floats]:
        if len(subnets) < TABLES_PAY_FROM:
            return network_totals(CostModel(chip), subnets)
        return SpaceTables(space, CostModel(chip)).totals(np.array(genotypes))

    nominal = cost(soc)
    influential = influences(
        soc,
        quality,
        nominal,
        cost,
        lambda ends: track(ends, description="numbers", disable=options.json, transient=True),
    )
    size = len(front(quality, *nominal))
    title = (
        f"{options.subnets} random subnets of {space.name} on {soc.name}, {size} on the front; "
        f"accuracy: {options.accuracy}"
    )
    if options.plot is not None:
        save_plot(influential, title, options.plot)
    if options.json:
        record = {"space": space.name, "hardware": soc.name, "subnets": options.subnets}
        more = {
            "accuracy": options.accuracy,
            "front": size,
            "influences": [asdict(row) for row in influential],
        }
        print(json.dumps({**record, **more}, indent=2))
        return
    print_wide(report(influential, title))


if __name__ == "__main__":
    run_command(main)
