"""Figures of a report for a paper: each plot as PNG, SVG and PDF, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from objectives.roofline import Roofline, RooflinePoint
from objectives.timeline import COLOURS, LANES, PARTS, draw_roofline
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.files.figure_file import FORMATS
from search_space.files.whole_file import whole_file
from studies.presentation.text_table import number_text
from studies.report_page.records import GoalRecord, MappingRecord, ReportRecord, StudyRecord

INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#9a6b00", "#4b4b4b")
"""A colour for each study, after Okabe and Ito."""
MARKS = ("o", "D", "s", "^", "P", "*")
WIDTH = 7.0
"""Width in inches of a figure across both columns of a paper."""
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # TrueType: publishers refuse matplotlib's default
    "svg.hashsalt": "h4h-nas",
}
WIDE = 30.0
"""Ratio of the largest to the smallest value above which an axis is logarithmic."""
RATIO = "ViT blocks per 10 conv blocks"
COSTS: tuple[Literal["latency"], Literal["energy"]] = ("latency", "energy")
"""Costs whose sensitivity is drawn, by their keys in `ShiftRecord`."""


def save_figures(record: ReportRecord, folder: Path) -> list[str]:
    """Draws and writes all figures for which `record` has data.

    Args:
        record: Record of the report.
        folder: An existing folder.

    Returns:
        Names of the figures, without file endings.

    Raises:
        H4HError: A file cannot be written.
    """
    figures: dict[str, Callable[[ReportRecord], Figure | None]] = {
        "front": front_figure,
        "front-3d": solid_figure,
        "hypervolume": hypervolume_figure,
        "blocks": blocks_figure,
        "importance": importance_figure,
        "parallel": parallel_figure,
        "sensitivity": sensitivity_figure,
        "mapping": mapping_figure,
        "rooflines": roofline_figure,
    }
    names = []
    with matplotlib.rc_context(STYLE):
        for name, draw in figures.items():
            figure = draw(record)
            if figure is None:
                continue
            for ending in FORMATS:
                _save(figure, folder / f"{name}{ending}")
                figure.set_layout_engine(None)  # Drawn once: the other files have the same places for less.
            names.append(name)
    return names


def _save(figure: Figure, path: Path) -> None:
    # No time of writing, so that equal numbers make equal files.
    metadata = {".png": None, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[path.suffix]
    try:
        with whole_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=300, metadata=metadata)
    except OSError as error:
        raise H4HError(f"--plots {path.parent}: {path.name} cannot be written ({error.strerror})") from error


def _text(name: str) -> str:
    """`name` escaped for matplotlib: no formula between dollars, no label hidden by a leading underscore."""
    text = name.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, height * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def _goal(record: ReportRecord, name: str) -> GoalRecord:
    goals = (goal for study in record["studies"] for goal in study["goals"])
    return next(goal for goal in goals if goal["name"] == name)


def _label(record: ReportRecord, name: str | None) -> str:
    if name is None:
        return "evaluation"
    if name == RATIO:
        return RATIO
    return name if name in ("macs", "params") else f"{name}, {_goal(record, name)['unit']}"


def _column(study: StudyRecord, name: str | None) -> Floats | None:
    """Values of a quantity (n,), NaN where unknown; None if the study lacks it."""
    names = [goal["name"] for goal in study["goals"]]
    rows = study["rows"]
    if name is None:
        return np.array(rows["id"], dtype=np.float64)
    if name == RATIO:
        conv, vit = (np.array(rows[key], dtype=np.float64) for key in ("conv", "vit"))
        return np.divide(10 * vit, conv, out=np.full_like(conv, np.nan), where=conv > 0)
    return np.array(rows["values"][names.index(name)], dtype=np.float64) if name in names else None


def _scatter(
    record: ReportRecord, axis: Axes, x: str | None, y: str, lines: list[list[int]] | None = None
) -> None:
    """All studies: members of the front as large marks, others as small ones, infeasible ones hollow."""
    known = []
    for index, study in enumerate(record["studies"]):
        across, up = _column(study, x), _column(study, y)
        if across is None or up is None:
            continue
        known.append(across)
        ink, mark = INKS[index], MARKS[index]
        feasible = np.array(study["rows"]["feasible"], dtype=bool)
        axis.scatter(across[feasible], up[feasible], s=3, color=ink, alpha=0.3, linewidths=0, rasterized=True)
        axis.scatter(
            across[~feasible], up[~feasible], s=5, facecolors="none", edgecolors="#888888", linewidths=0.4
        )
        if lines is not None and lines[index]:
            axis.plot(across[lines[index]], up[lines[index]], color=ink, linewidth=0.8)
        front = study["front"]
        axis.scatter(
            across[front], up[front], s=16, color=ink, marker=mark, edgecolors="white", linewidths=0.4,
            label=_text(study["name"]),
        )  # fmt: skip
    values = np.concatenate(known)
    values = values[np.isfinite(values)]
    if x is not None and len(values):
        if values.min() > 0 and values.max() > WIDE * values.min() and _goal(record, x)["unit"] != "%":
            axis.set_xscale("log")
        elif values.max() >= 1e4:
            axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.set_xlabel(_label(record, x))
    axis.set_ylabel(_label(record, y))


_STAR_SIDES = (((4, -6), "left"), ((4, 4), "left"), ((-4, -6), "right"), ((-4, 4), "right"))
"""Offset in points and alignment of the label of a star, in turn."""
_LINE_ENDS = ((0.02, "bottom"), (0.98, "top"))
"""Height in the plot and alignment of the label of a dashed line, in turn."""


def _beside(record: ReportRecord, axis: Axes, x: str | None, y: str) -> None:
    """Networks of files: a star, or a dashed line at the cost of one without a value of `y`.

    Labels take turns around the stars, and at both ends of the lines: mappings of one network lie close.
    """
    stars = lines = 0
    for index, study in enumerate(record["studies"]):
        names = [goal["name"] for goal in study["goals"]]
        if x not in names or y not in names:
            continue
        for entry in study["beside"]:
            across, up = (entry["values"][names.index(name)] for name in (x, y))
            if across is None:
                continue
            label = _text(f"{entry['name']} ({entry['mapping']})")
            if up is None:
                axis.axvline(across, color=INKS[index], linestyle="--", linewidth=0.8)
                height, end = _LINE_ENDS[lines % len(_LINE_ENDS)]
                axis.annotate(
                    label,
                    (across, height),
                    xycoords=axis.get_xaxis_transform(),
                    rotation=90,
                    fontsize=5,
                    va=end,
                )
                lines += 1
                continue
            axis.scatter(
                [across], [up], s=60, marker="*", color=INKS[index], edgecolors="black", linewidths=0.5
            )
            offset, side = _STAR_SIDES[stars % len(_STAR_SIDES)]
            axis.annotate(label, (across, up), xytext=offset, textcoords="offset points", fontsize=5, ha=side)
            stars += 1


def _legend(record: ReportRecord, figure: Figure, axis: Axes) -> None:
    if len(record["studies"]) > 1:
        figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def front_figure(record: ReportRecord) -> Figure:
    """The accuracy, or the first objective, against every other objective."""
    figure, axes = _panels(len(record["views"]), 2.4)
    for axis, view in zip(axes, record["views"], strict=True):
        _scatter(record, axis, view["x"], view["y"], view["lines"])
        _beside(record, axis, view["x"], view["y"])
    _legend(record, figure, axes[0])
    return figure


def solid_figure(record: ReportRecord) -> Figure | None:
    """Three objectives in one plot; None if no study has three."""
    if record["solid"] is None:
        return None
    up, across, along = record["solid"]
    figure = Figure(figsize=(WIDTH / 2, 3.2), layout="constrained")
    axis = figure.add_subplot(projection="3d")
    for index, study in enumerate(record["studies"]):
        columns = [_column(study, name) for name in (across, along, up)]
        if any(column is None for column in columns):
            continue
        values = np.array(columns)[:, study["front"]]
        axis.scatter(*values, s=10, color=INKS[index], marker=MARKS[index], label=_text(study["name"]))
    axis.set_xlabel(_label(record, across))
    axis.set_ylabel(_label(record, along))
    axis.set_zlabel(_label(record, up))
    axis.set_box_aspect(None, zoom=0.85)
    _legend(record, figure, axis)
    return figure


def hypervolume_figure(record: ReportRecord) -> Figure:
    """Hypervolume over evaluations."""
    figure = Figure(figsize=(WIDTH / 2, 2.4), layout="constrained")
    axis = figure.subplots()
    for index, study in enumerate(record["studies"]):
        counts, values = zip(*study["hypervolume_curve"], strict=True)
        axis.plot(
            counts, values, color=INKS[index], marker=MARKS[index], markersize=2, label=_text(study["name"])
        )
    axis.set_xlabel("evaluations")
    axis.set_ylabel(f"hypervolume\nof {', '.join(record['hypervolume_of']) or 'own objectives'}")
    _legend(record, figure, axis)
    return figure


def blocks_figure(record: ReportRecord) -> Figure | None:
    """ViT blocks per 10 conv blocks against accuracy and latency; None if no study has either."""
    known = {goal["name"] for study in record["studies"] for goal in study["goals"]}
    names = [name for name in ("acc", "lat") if name in known]
    if not names:
        return None
    figure, axes = _panels(len(names), 2.4)
    for axis, name in zip(axes, names, strict=True):
        _scatter(record, axis, name, RATIO)
    _legend(record, figure, axes[0])
    return figure


def importance_figure(record: ReportRecord) -> Figure | None:
    """Share of the entropy of each objective that the most important genes explain; None if unknown."""
    studies = [study for study in record["studies"] if study["importance"] is not None]
    if not studies:
        return None
    figure = Figure(figsize=(WIDTH, 3.2 * len(studies)), layout="constrained")
    for axis, study in zip(figure.subplots(len(studies), 1, squeeze=False)[:, 0], studies, strict=True):
        importance = study["importance"]
        assert importance is not None
        places = np.arange(len(importance["genes"]))
        height = 0.8 / len(importance["shares"])
        for index, (name, shares) in enumerate(importance["shares"].items()):
            axis.barh(places + index * height, shares, height, color=INKS[index], label=name, align="edge")
        axis.set_yticks(places + 0.4, importance["genes"])
        axis.invert_yaxis()
        axis.grid(visible=False, axis="y")
        axis.set_xlabel("mutual information, as a share of the objective's entropy")
        axis.legend(loc="lower right")
        if len(record["studies"]) > 1:
            axis.set_title(_text(study["name"]))
    return figure


def parallel_figure(record: ReportRecord) -> Figure | None:
    """Members of the fronts as lines over shared objectives and blocks; None if all fronts are empty."""
    studies = record["studies"]
    shared = [goal for goal in studies[0]["goals"] if all(goal in study["goals"] for study in studies)]
    tables = []
    for study in studies:
        columns = [_column(study, goal["name"]) for goal in shared]
        blocks = [np.array(study["rows"][key], dtype=np.float64) for key in ("conv", "vit")]
        tables.append(np.array([*columns, *blocks])[:, study["front"]].T)  # (members, axes)
    values = np.concatenate(tables)
    if len(values) == 0:
        return None
    low, high = values.min(axis=0), values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    is_less = np.array([goal["direction"] == "min" for goal in shared] + [False, False])
    figure = Figure(figsize=(WIDTH, 2.6), layout="constrained")
    axis = figure.subplots()
    places = np.arange(values.shape[1])
    for index, (study, table) in enumerate(zip(studies, tables, strict=True)):
        scaled = (table - low) / span
        scaled = np.where(is_less, 1 - scaled, scaled)
        drawn = axis.plot(places, scaled.T, color=INKS[index], linewidth=0.6, alpha=0.6)
        if drawn:
            drawn[0].set_label(_text(study["name"]))
    labels = [_label(record, goal["name"]) for goal in shared] + ["conv blocks", "ViT blocks"]
    axis.set_xticks(places, labels)
    axis.set_yticks([])
    axis.set_ylim(-0.12, 1.12)
    units = [goal["unit"] for goal in shared] + ["", ""]
    for place, unit in enumerate(units):
        ends = (low[place], high[place]) if not is_less[place] else (high[place], low[place])
        for height, value, side in zip((-0.02, 1.02), ends, ("top", "bottom"), strict=True):
            text = number_text(value, unit) if unit else f"{value:g}"
            axis.text(place, height, text, ha="center", va=side, fontsize=7)
    axis.spines["left"].set_visible(False)
    _legend(record, figure, axis)
    return figure


def sensitivity_figure(record: ReportRecord) -> Figure | None:
    """Change of latency and energy with the most influential assumed numbers; None without sensitivity."""
    studies = [study for study in record["studies"] if study["sensitivity"] is not None]
    if not studies:
        return None
    figure = Figure(figsize=(WIDTH, 2.4 * len(studies)), layout="constrained")
    grid = figure.subplots(len(studies), 2, squeeze=False, sharey="row")
    for axes, study in zip(grid, studies, strict=True):
        sensitivity = study["sensitivity"]
        assert sensitivity is not None
        shifts = sensitivity["shifts"]
        names = list(dict.fromkeys(shift["name"] for shift in shifts))
        multiples = {cost: [1 + shift[cost] for shift in shifts] for cost in COSTS}
        for axis, (cost, values) in zip(axes, multiples.items(), strict=True):
            for place, name in enumerate(names):
                ends = [value for value, shift in zip(values, shifts, strict=True) if shift["name"] == name]
                axis.plot([min(1, *ends), max(1, *ends)], [place, place], color="#888888", linewidth=1.5)
            for end, ink, mark in (("low", INKS[0], "o"), ("high", INKS[1], "D")):
                marks = [
                    (value, names.index(shift["name"]))
                    for value, shift in zip(values, shifts, strict=True)
                    if shift["end"] == end
                ]
                axis.scatter(
                    *zip(*marks, strict=True), s=18, color=ink, marker=mark, zorder=3, label=f"at its {end}"
                )
            axis.axvline(1, color="black", linewidth=0.6, linestyle=":")
            axis.set_xscale("log")
            low, high = axis.get_xlim()
            ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.set_xticks([], minor=True)
            axis.set_xlabel(f"{cost}, multiple of the nominal")
        axes[0].set_yticks(range(len(names)), names)
        axes[0].invert_yaxis()
        if len(record["studies"]) > 1:
            axes[0].set_title(_text(study["name"]))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _mapped_knees(record: ReportRecord) -> list[tuple[StudyRecord, int, MappingRecord]]:
    """Study, row and mapping of the knee of each front that has one."""
    return [
        (study, knee, study["mappings"][knee])
        for study in record["studies"]
        if (knee := study["knee"]) is not None and knee in study["mappings"]
    ]


def roofline_figure(record: ReportRecord) -> Figure | None:
    """Rooflines of NPU and macros of the knee of each front; None if no knee has a mapping."""
    drawn = [
        (study, mapping, line) for study, _, mapping in _mapped_knees(record) for line in mapping["rooflines"]
    ]
    if not drawn:
        return None
    figure, axes = _panels(len(drawn), 2.6)
    for axis, (study, mapping, line) in zip(axes, drawn, strict=True):
        columns = (line["op"], line["macs"], line["bytes"], line["cycles"])
        points = [
            RooflinePoint(op, mapping["ops"]["kind"][op], macs, size, cycles)
            for op, macs, size, cycles in zip(*columns, strict=True)
        ]
        draw_roofline(
            axis, Roofline(line["device"], line["memory"], line["peak"], line["bandwidth"], tuple(points))
        )
        if len(record["studies"]) > 1:
            axis.set_title(f"{_text(study['name'])}: {line['device']}")
    return figure


def mapping_figure(record: ReportRecord) -> Figure | None:
    """Gantt chart and energy by part of the knee of each front; None if no knee has a mapping."""
    drawn = _mapped_knees(record)
    if not drawn:
        return None
    figure = Figure(figsize=(WIDTH, 2.8 * len(drawn)), layout="constrained")
    grid = figure.subplots(2 * len(drawn), 1, squeeze=False, sharex=False, height_ratios=[2, 3] * len(drawn))[
        :, 0
    ]
    for place, (study, knee, mapping) in enumerate(drawn):
        lanes, energy = grid[2 * place], grid[2 * place + 1]
        for row, lane in enumerate(LANES):
            own = [(start, length) for index, _, start, length in mapping["bars"] if index == row]
            lanes.broken_barh(own, (row - 0.4, 0.8), facecolors=COLOURS[lane])
        lanes.set_yticks(range(len(LANES)), LANES)
        lanes.invert_yaxis()
        lanes.grid(visible=False)
        lanes.sharex(energy)
        lanes.tick_params(labelbottom=False)
        assert study["hardware"] is not None
        subnet, chip = study["rows"]["id"][knee], study["hardware"]["name"]
        totals = f"{mapping['latency_ms']:.4g} ms, {mapping['energy_mj'] * 1e3:.4g} uJ"
        lanes.set_title(f"{_text(study['name'])}, subnet {subnet} on {_text(chip)}: {totals}")
        starts, lengths = mapping["ops"]["start"], mapping["ops"]["length"]
        bottom = np.zeros(len(starts))
        for part, ink in PARTS.items():
            heights = np.array(mapping["energy"][part])
            energy.bar(starts, heights, lengths, bottom=bottom, align="edge", color=ink, label=part)
            bottom += heights
        energy.set_xlim(0, starts[-1] + lengths[-1])
        energy.set_xlabel("time, us")
        energy.set_ylabel("energy of the op, nJ")
    figure.legend(*grid[1].get_legend_handles_labels(), loc="outside lower center", ncols=len(PARTS))
    return figure
