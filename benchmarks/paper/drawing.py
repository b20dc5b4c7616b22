"""Figures of the results page, drawn by matplotlib as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.paper.measures import STEP, Front, cost_at, savings, vit_per_10_conv, window
from benchmarks.paper.page import CAPTIONS, Results
from benchmarks.paper.protocol import (
    BASE,
    COST_NAMES,
    COSTS,
    DEFAULT_CHIP,
    FEW_VIT,
    FOUR_UNITS,
    MANY_VIT,
    PAIRS,
    PRIMARY,
    UNITS,
    Cost,
    Run,
)
from benchmarks.paper.tables import SHOWN_NUMBERS, influence
from search_space.arrays import Floats
from search_space.files.figure_file import save_figure
from studies.report_page.figures import INKS, MARKS, STYLE, WIDTH

DRAWN = (BASE, DEFAULT_CHIP, FOUR_UNITS)
"""Chips in the figures of fronts and savings."""


def draw(results: Results, folder: Path) -> dict[str, Path]:
    """Draws all figures into `folder`; returns their files by name.

    Raises:
        H4HError: A file cannot be written.
    """
    files = {}
    drawers = {"fronts": fronts, "savings": saved, "blocks": blocks, "assumed": assumed}
    assert drawers.keys() == CAPTIONS.keys()
    with matplotlib.rc_context(STYLE):
        for name, drawer in drawers.items():
            files[name] = folder / f"paper-{name}.svg"
            save_figure(drawer(results), files[name], option="--out")
    return files


def _two_panels() -> tuple[Figure, dict[Cost, Axes]]:
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    return figure, dict(zip(COSTS, figure.subplots(1, 2), strict=True))


def _chips(run: Run) -> list[str]:
    return [chip for chip in DRAWN if chip in run.hardware]


def sample(front: Front) -> Front:
    """A front with the accuracies of the sample alone, (n,)."""
    return Front(front.costs, front.accuracies[0], front.conv_blocks, front.vit_blocks)


def seed_costs(fronts: Sequence[Front]) -> tuple[Floats, Floats]:
    """Accuracy grid (g,) and the cost of each seed at each of its values, (seeds, g).

    The grid ends at the lowest of the seeds' highest accuracies.
    """
    grid = window(*(np.array([min(float(one.accuracies.max()) for one in fronts)]) for _ in range(2)))
    return grid, np.stack([cost_at(one.costs, one.accuracies, grid) for one in fronts])


def fronts(results: Results) -> Figure:
    """Accuracy against latency and against energy, with bands over the seeds."""
    figure, axes = _two_panels()
    for cost, axis in axes.items():
        for ink, chip in zip(INKS, _chips(results.run), strict=False):
            grid, costs = seed_costs(list(map(sample, results.fronts.of(chip, cost, results.run.seeds))))
            axis.plot(np.median(costs, axis=0), grid, color=ink, label=chip, linewidth=1.2)
            axis.fill_betweenx(grid, costs.min(axis=0), costs.max(axis=0), color=ink, alpha=0.2, linewidth=0)
        axis.set_xscale("log")
        axis.set_xlabel(f"{COST_NAMES[cost]}, {UNITS[cost]}")
        axis.set_ylabel("test accuracy, %")
    _legend(figure, axes["lat"])
    return figure


def saved(results: Results) -> Figure:
    """Saved latency and energy over the accuracy window, with bands over the seeds and the paper's means."""
    figure, axes = _two_panels()
    papers = {(one.chip, one.cost): one.paper for one in PRIMARY if one.measure == "saved_mean"}
    for cost, axis in axes.items():
        for ink, chip in zip(INKS, _chips(results.run), strict=False):
            if chip == BASE:
                continue
            pairs = zip(
                *(
                    map(sample, results.fronts.of(name, cost, results.run.seeds))
                    for name in (chip, PAIRS[chip])
                ),
                strict=True,
            )
            table = np.stack([savings(*pair) for pair in pairs])
            below = STEP * np.arange(1 - table.shape[1], 1)
            axis.plot(below, table.mean(axis=0), color=ink, label=chip, linewidth=1.2)
            axis.fill_between(below, table.min(axis=0), table.max(axis=0), color=ink, alpha=0.2, linewidth=0)
            if (paper := papers.get((chip, cost))) is not None:
                axis.axhline(paper, color=ink, linestyle=":", linewidth=1, label=f"{chip}, mean of the paper")
        axis.axhline(0, color="black", linewidth=0.6)
        axis.set_xlabel("points below the top of the window")
        axis.set_ylabel(f"{COST_NAMES[cost]} saved, %")
    _legend(figure, axes["energy"])
    return figure


def blocks(results: Results) -> Figure:
    """ViT blocks per 10 conv blocks of the front networks, the paper's range shaded."""
    figure, axes = _two_panels()
    for cost, axis in axes.items():
        axis.axhspan(
            FEW_VIT, MANY_VIT, color="#888888", alpha=0.15, linewidth=0, label="2 to 5, as in the paper"
        )
        for ink, mark, chip in zip(INKS, MARKS, _chips(results.run), strict=False):
            of_seeds = list(map(sample, results.fronts.of(chip, cost, results.run.seeds)))
            ratios = np.concatenate([vit_per_10_conv(one) for one in of_seeds])
            accuracies = np.concatenate([one.accuracies for one in of_seeds])
            some = np.isfinite(ratios)
            axis.scatter(
                accuracies[some],
                ratios[some],
                s=8,
                color=ink,
                marker=mark,
                alpha=0.6,
                linewidths=0,
                label=chip,
            )
        axis.set_xlabel(f"test accuracy, %, searched for {COST_NAMES[cost]}")
        axis.set_ylabel("ViT blocks per 10 conv blocks")
    _legend(figure, axes["lat"])
    return figure


def assumed(results: Results) -> Figure:
    """Mean savings of the default chip between both ends of the most influential assumed numbers."""
    nominal, *ends = results.assumed
    names = sorted({one.name for one in ends}, key=lambda name: -influence(name, nominal, ends))
    names = names[:SHOWN_NUMBERS]
    figure = Figure(figsize=(WIDTH, 0.8 + 0.25 * max(len(names), 4)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for cost, axis in zip(COSTS, panels, strict=True):
        title = next(
            one.title
            for one in PRIMARY
            if (one.chip, one.cost, one.measure) == (DEFAULT_CHIP, cost, "saved_mean")
        )
        middle = nominal.figures[title]
        for place, name in enumerate(names):
            values = [one.figures[title] for one in ends if one.name == name and one.figures]
            values = [value for value in values if isfinite(value)]
            axis.plot([min(middle, *values, middle), max(middle, *values, middle)], [place, place],
                      color="#888888", linewidth=1.5)  # fmt: skip
        for ink, mark, end in zip(INKS, MARKS, ("low", "high"), strict=False):
            marks = [
                (one.figures[title], names.index(one.name))
                for one in ends
                if one.end == end and one.name in names and one.figures
            ]
            if marks:
                axis.scatter(
                    *zip(*marks, strict=True), s=14, color=ink, marker=mark, zorder=3, label=f"at its {end}"
                )
        axis.axvline(middle, color="black", linewidth=0.6, linestyle=":")
        axis.set_xlabel(f"{COST_NAMES[cost]} saved, mean, %")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    _legend(figure, panels[0])
    return figure


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
