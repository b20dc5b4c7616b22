"""Timeline of one network: a Gantt chart of NPU, macros and network-on-chip, with the energy of each op."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from objectives.hardware import NetworkCost, OpCost, SoC
from objectives.workload import Step


def gantt(steps: Sequence[Step], cost: NetworkCost, soc: SoC) -> Figure:
    """Gantt chart over microseconds, above the energy of each op in nJ on the same axis."""
    figure = Figure(figsize=(14, 6), layout="constrained")
    time_axis, energy_axis = figure.subplots(2, 1, sharex=True, height_ratios=(2, 3))
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
    time_axis.set_title(f"{soc.name}: {cost.latency_ms:.3f} ms, {cost.energy_mj * 1e3:.1f} uJ")
    bottom = [0.0] * len(cost.ops)
    for part, colour in PARTS.items():
        heights = [getattr(op, f"{part}_pj") / 1e3 for op in cost.ops]
        energy_axis.bar(starts, heights, lengths, bottom=bottom, align="edge", color=colour, label=part)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    energy_axis.set_xlabel("time, us; the width of an op is its duration")
    energy_axis.set_ylabel("energy of the op, nJ")
    figure.legend(*energy_axis.get_legend_handles_labels(), loc="outside lower center", ncols=len(PARTS))
    longest = sorted(range(len(lengths)), key=lambda index: -lengths[index])[:12]
    for index in longest:
        energy_axis.annotate(
            steps[index].name,
            (starts[index] + lengths[index] / 2, bottom[index]),
            rotation=60,
            fontsize=7,
            xytext=(0, 2),
            textcoords="offset points",
        )
    energy_axis.margins(y=0.55)
    return figure


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
