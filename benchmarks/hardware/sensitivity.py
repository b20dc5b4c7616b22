"""What each assumed number of a SoC decides: `python -m benchmarks.hardware.sensitivity [--plot FILE] [--json]`.

A number is assumed where its SoC file states low < high. Each is set to its low and to its high, all others
left alone, and the same random subnets are costed anew in their best mapping:

| column | what |
|---|---|
| tau | Kendall's rank correlation with the nominal SoC, of latency and of energy; 1: no order changes |
| change | mean of new / nominal - 1, of latency and of energy |
| front kept | share of the nominal Pareto front's subnets that are still on the front |
| hv lost | share of the hypervolume that is missed by whoever keeps the nominal front |

The front is over accuracy (max), latency and energy (min), within the subnets drawn. No SoC changes the
accuracy. Multiply-accumulates stand in for it; with `--accuracy measured` it is that of the shipped supernet,
half a second for each subnet once, then kept in the user's cache folder.
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
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.complexity import macs
from search_space.errors import H4HError
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from studies.study.pareto_front import MARGIN, hypervolume, nondominated


@dataclass(frozen=True)
class Influence:
    """One number at one end of its range.

    Attributes:
        name: Dotted name in the SoC file.
        end: ``low`` or ``high``.
        value: There.
        nominal: What the SoC file takes.
        unit: Of both.
        latency_tau: Rank correlation of latency with the nominal SoC.
        energy_tau: The same of energy.
        latency_change: Mean relative change; 0.1 is 10 % slower.
        energy_change: The same of energy.
        front_kept: Share of the nominal front still on the front.
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
    """Every assumed number at both ends, the most influential number first.

    Numbers rank by front lost, then by ranks lost, hypervolume lost and change, each at the worse end.

    Args:
        soc: The nominal chip.
        quality: Accuracy of the subnets, or what stands in for it, (n,); larger is better.
        nominal: Latency and energy of the subnets on `soc`, each (n,).
        cost: Latency and energy of the same subnets on a chip, each (n,).
        progress: Wraps what is iterated over, to show how far it is.
    """
    numbers = dict(soc.quantities())
    found = [
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
    for one in found:
        worst[one.name] = max(worst.get(one.name, ()), _rank(one))
    return sorted(found, key=lambda one: worst[one.name], reverse=True)


def front(quality: Floats, latency: Floats, energy: Floats) -> NDArray[np.intp]:
    """Indices of the subnets on the Pareto front, of n each."""
    return nondominated(np.column_stack([-quality, latency, energy]))


def _rank(one: Influence) -> tuple[float, ...]:
    return (
        1 - one.front_kept,
        1 - min(one.latency_tau, one.energy_tau),
        one.hypervolume_lost,
        max(abs(one.latency_change), abs(one.energy_change)),
    )


def compared(
    quality: Floats, nominal: tuple[Floats, Floats], changed: tuple[Floats, Floats]
) -> dict[str, float]:
    """Figures of one changed chip against the nominal one, by the names of `Influence`.

    Args:
        quality: Of n subnets, (n,); larger is better.
        nominal: Latency and energy, each (n,).
        changed: The same on the changed chip.
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
    """`count` genotypes, genes drawn uniformly."""
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def report(found: Sequence[Influence], title: str) -> Table:
    """One row per number and end."""
    table = Table(title=title, title_justify="left")
    for name in ("number", "end", "unit"):
        table.add_column(name, no_wrap=True)
    for name in ("value", "tau lat", "tau energy", "lat", "energy", "front kept", "hv lost"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.name,
            one.end,
            one.unit,
            f"{one.nominal:g} -> {one.value:g}",
            f"{one.latency_tau:.3f}",
            f"{one.energy_tau:.3f}",
            f"{one.latency_change:+.1%}",
            f"{one.energy_change:+.1%}",
            f"{one.front_kept:.0%}",
            f"{one.hypervolume_lost:.2%}",
        )
    return table


def save_plot(found: Sequence[Influence], title: str, path: Path) -> None:
    """Draws the 20 most influential numbers: changes, then ranks, front and hypervolume lost.

    Raises:
        H4HError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    from search_space.files.figure_file import save_figure

    names = list(dict.fromkeys(one.name for one in found))[:20]
    figure = Figure(figsize=(15, 0.32 * len(names) + 1.8), layout="constrained")
    panels: dict[str, Callable[[Influence], float]] = {
        "latency, mean change in %": lambda one: 100 * one.latency_change,
        "energy, mean change in %": lambda one: 100 * one.energy_change,
        "1 - tau, the worse of both": lambda one: 1 - min(one.latency_tau, one.energy_tau),
        "front lost in %": lambda one: 100 * (1 - one.front_kept),
        "hypervolume lost in %": lambda one: 100 * one.hypervolume_lost,
    }
    axes = figure.subplots(1, len(panels), sharey=True)
    for axis, (label, length) in zip(axes, panels.items(), strict=True):
        for end, colour, shift in (("low", "#4477aa", -0.2), ("high", "#ee6677", 0.2)):
            rows = [one for one in found if one.end == end and one.name in names]
            lengths = [length(one) for one in rows]
            places = [names.index(one.name) + shift for one in rows]
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
    """Prints the influences that the command line asks for.

    Raises:
        H4HError: Unknown space or hardware, too few subnets, or nothing to vary.
    """
    parser = Parser(
        prog="python -m benchmarks.hardware.sensitivity", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--space", default="cifar32", help="name or YAML file (default: %(default)s)")
    add_hardware_options(parser)
    parser.add_argument("--subnets", type=int, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--accuracy",
        choices=("macs", "measured"),
        default="macs",
        help="what is traded for latency and energy (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the influences, .png or .svg")
    options = parser.parse_args(arguments)
    if options.subnets < 2:
        raise H4HError(f"--subnets must be at least 2, since ranks are compared, but got {options.subnets}")
    if options.plot is not None:
        from search_space.files.figure_file import check_figure_path

        check_figure_path(options.plot)

    space = load_space(options.space)
    soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
    if not any(assumed(soc)):
        raise H4HError(f"hardware {soc.name!r} has no number with low < high, so there is nothing to vary")
    genotypes = random_genotypes(space, options.subnets, options.seed)
    subnets = [space.decode(genotype) for genotype in genotypes]
    quality = (
        np.array([macs(subnet) for subnet in subnets], dtype=np.float64)
        if options.accuracy == "macs"
        else measured_accuracy(space, genotypes)
    )

    def cost(chip: SoC) -> tuple[Floats, Floats]:
        return network_totals(CostModel(chip), subnets)

    nominal = cost(soc)
    found = influences(
        soc,
        quality,
        nominal,
        cost,
        lambda ends: track(ends, description="numbers", disable=options.json, transient=True),
    )
    size = len(front(quality, *nominal))
    title = (
        f"{options.subnets} random subnets of {space.name} on {soc.name}, {size} of them on the front; "
        f"accuracy: {options.accuracy}"
    )
    if options.plot is not None:
        save_plot(found, title, options.plot)
    if options.json:
        record = {"space": space.name, "hardware": soc.name, "subnets": options.subnets}
        more = {"accuracy": options.accuracy, "front": size, "influences": [asdict(one) for one in found]}
        print(json.dumps({**record, **more}, indent=2))
        return
    print_wide(report(found, title))


if __name__ == "__main__":
    run_command(main)
