"""Figure of one network on a chip: Gantt chart, utilisation and energy over time, and rooflines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from objectives.hardware import CostModel, NetworkCost, OpCost, SoC
from objectives.roofline import Roofline, rooflines, utilisation
from objectives.workload import Step, ops_of

if TYPE_CHECKING:  # matplotlib takes a second to import, and reports without figures need only the bars
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


def figure_of(steps: Sequence[Step], cost: NetworkCost, costs: CostModel) -> Figure:
    """Timeline above the rooflines of NPU and macros, and the energy by kind of op and part.

    Args:
        steps: The network.
        cost: Its cost by `costs`.
        costs: Model of the SoC.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 12), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))  # an array, which the stubs do not say
    above, below = parts
    timeline(above, steps, cost, costs.soc)
    lines = rooflines(ops_of(steps), cost, costs)
    axes = below.subplots(1, len(lines) + 1, squeeze=False)[0]
    for axis, line in zip(axes, lines, strict=False):
        draw_roofline(axis, line)
    draw_energy_by_kind(axes[-1], steps, cost)
    return figure


def timeline(figure: SubFigure, steps: Sequence[Step], cost: NetworkCost, soc: SoC) -> None:
    """Gantt chart over microseconds, above utilisation in % and energy in nJ of each op on the same axis."""
    time_axis, use_axis, energy_axis = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 3))
    per_cycle = 1.0 / soc.clock_mhz  # microseconds
    intervals: dict[str, list[tuple[float, float]]] = {lane: [] for lane in LANES}
    starts, lengths = [], []
    now = 0.0
    for op in cost.ops:
        for lane, start, length in bars(op, now):
            intervals[lane].append((start * per_cycle, length * per_cycle))
        starts.append(now * per_cycle)
        lengths.append(op.cycles * per_cycle)
        now += op.cycles
    for row, lane in enumerate(LANES):
        time_axis.broken_barh(intervals[lane], (row - 0.4, 0.8), facecolors=COLOURS[lane])
    time_axis.set_yticks(range(len(LANES)), LANES)
    time_axis.invert_yaxis()
    time_axis.set_title(f"{soc.name}: {cost.latency_ms:.4g} ms, {cost.energy_mj * 1e3:.4g} uJ")
    for device, shares in utilisation(ops_of(steps), cost, soc).items():
        edges = [*starts, starts[-1] + lengths[-1]]
        use_axis.stairs(shares, edges, color=COLOURS[device], label=device, linewidth=1)
    use_axis.set_ylabel("multipliers busy, %")
    use_axis.set_ylim(0, 100)
    use_axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderaxespad=0)
    bottom = [0.0] * len(cost.ops)
    for part, colour in PARTS.items():
        heights = [getattr(op, f"{part}_pj") / 1e3 for op in cost.ops]
        energy_axis.bar(starts, heights, lengths, bottom=bottom, align="edge", color=colour, label=part)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    energy_axis.set_xlabel("time, us; the width of an op is its duration")
    energy_axis.set_ylabel("energy of the op, nJ")
    figure.legend(*energy_axis.get_legend_handles_labels(), loc="outside lower center", ncols=len(PARTS))
    name_longest(energy_axis, [step.name for step in steps], starts, lengths, bottom)


def name_longest(
    axis: Axes,
    names: Sequence[str],
    starts: Sequence[float],
    lengths: Sequence[float],
    heights: Sequence[float],
) -> None:
    """Names of the longest ops above all bars, with a line to each; names that would overlap are left out."""
    total, top = starts[-1] + lengths[-1], max(heights)
    named: dict[int, float] = {}
    for index in sorted(range(len(names)), key=lambda index: -lengths[index])[:MOST_NAMES]:
        centre = starts[index] + lengths[index] / 2
        if all(abs(centre - other) >= LEAST_GAP * total for other in named.values()):
            named[index] = centre
    for index, centre in named.items():
        axis.plot([centre, centre], [heights[index], 1.03 * top], color="0.6", linewidth=0.5)
        axis.annotate(
            names[index],
            (centre, 1.03 * top),
            xytext=(-2, 0),
            textcoords="offset points",
            rotation=60,
            rotation_mode="anchor",
            fontsize=7,
        )
    room = NAME_SHARE * max(len(names[index]) for index in named)
    axis.set_ylim(0, 1.05 * top / (1 - min(room, 0.75)))


def draw_roofline(axis: Axes, line: Roofline) -> None:
    """Ops under the roof of a device, by kind. Ops without transfers lie at the right end."""
    from matplotlib.ticker import LogFormatter

    reached = [point.intensity for point in line.points if point.bytes_moved]
    ridge = line.peak / line.bandwidth
    low, high = min([ridge, *reached]) / 2, max([ridge, *reached]) * 4
    axis.plot([low, ridge, high], [line.roof(low), line.peak, line.peak], color="black")
    for kind in dict.fromkeys(point.kind for point in line.points):
        points = [point for point in line.points if point.kind == kind]
        x = [min(point.intensity, high) for point in points]
        axis.scatter(x, [point.rate for point in points], s=18, label=kind, alpha=0.8)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for ticks in (axis.xaxis, axis.yaxis):  # 40, not 4 x 10^1
        ticks.set_major_formatter(LogFormatter())
        ticks.set_minor_formatter(LogFormatter())
    axis.set_title(f"{line.device}: {line.peak:g} MAC/cycle, {line.memory} {line.bandwidth:g} B/cycle")
    axis.set_xlabel(f"MAC per byte over the {line.memory}")
    axis.set_ylabel("MAC per cycle")
    axis.legend(fontsize=8)


def draw_energy_by_kind(axis: Axes, steps: Sequence[Step], cost: NetworkCost) -> None:
    """Stacked bars of the energy in uJ by part, one bar for each kind of op."""
    kinds = list(dict.fromkeys(step.op.kind for step in steps))
    left = [0.0] * len(kinds)
    for part, colour in PARTS.items():
        widths = [
            sum(
                getattr(op, f"{part}_pj") / 1e6
                for step, op in zip(steps, cost.ops, strict=True)
                if step.op.kind == kind
            )
            for kind in kinds
        ]
        axis.barh(kinds, widths, left=left, color=colour, label=part)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axis.invert_yaxis()
    axis.set_title("energy by kind of op and part")
    axis.set_xlabel("uJ")


LANES = ("NPU", "NoC", "macros")
"""Rows of the chart."""

PARTS = {
    "mac": "#4477aa",
    "sram": "#66ccee",
    "mram": "#228833",
    "noc": "#ccbb44",
    "handover": "#ee6677",
    "static": "#bbbbbb",
}
"""Parts of an op's energy with their colours, from Paul Tol's bright scheme for colour-blind readers."""

COLOURS = {"NPU": "#4477aa", "NoC": "#ccbb44", "macros": "#228833"}
"""Colour of each row."""

MOST_NAMES = 12
"""Number of ops that are named at most."""
LEAST_GAP = 0.015
"""Least distance of two names, as a share of the time axis."""
NAME_SHARE = 0.0215
"""Height of one slanted letter, as a share of the energy axis."""

Bar = tuple[str, float, float]
"""Lane, start and length; both in cycles."""


def bars(cost: OpCost, start: float) -> list[Bar]:
    """Busy intervals of the lanes for one op that begins at `start`.

    The breakdown has only sums: the hand-over is drawn first, as a gap, and the transfer after the macros'
    share before it as well, as far as both do not overlap.
    """
    result: list[Bar] = []
    begin = start + cost.handover_cycles
    if cost.npu_cycles:
        result.append(("NPU", begin + cost.fetch_cycles, cost.npu_cycles))
    if cost.transfer_cycles:
        result.append(("NoC", begin, cost.transfer_cycles))
    if cost.cim_cycles:
        result.append(("macros", begin + cost.transfer_cycles - cost.overlap_cycles, cost.cim_cycles))
    if cost.tail_cycles:
        result.append(("NPU", start + cost.cycles - cost.tail_cycles, cost.tail_cycles))
    return result
