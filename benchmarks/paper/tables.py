"""Tables of the results page: rows of text cells, the first row the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf, isnan

import numpy as np

from benchmarks.paper.bootstrap import Estimate
from benchmarks.paper.comparison import Figures, Fronts, verdict
from benchmarks.paper.measures import Front, vit_per_10_conv, window
from benchmarks.paper.protocol import (
    COST_NAMES,
    COSTS,
    FEW_VIT,
    MANY_VIT,
    PAIRS,
    Cost,
    Measure,
    PrimaryFigure,
    Run,
)
from benchmarks.paper.remapping import AssumedNumber
from search_space.arrays import Floats

Rows = list[list[str]]
BAND = 2.5
"""Points of an accuracy band in the table of blocks."""
SHOWN_NUMBERS = 12
"""Assumed numbers in the table: those that move a primary figure most."""
ByChip = Mapping[tuple[str, Cost], Figures]


def markdown(rows: Rows) -> str:
    """A table as Markdown."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *body))


def number(value: float, digits: int = 1) -> str:
    """A number, or words where there is none."""
    if isnan(value):
        return "undefined"
    if isinf(value):
        return "no conv block"
    # Not "-0.0".
    return f"{value + 0.0:.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def interval(found: Estimate, digits: int = 1) -> str:
    """E.g. ``12.3 (10.1 to 14.9)``."""
    low, high = number(found.low, digits), number(found.high, digits)
    return f"{number(found.value, digits)} ({low} to {high})"


def digits_of(measure: Measure) -> int:
    """Digits after the point: two for points of accuracy, one for percentages."""
    return 2 if measure.startswith("gained") else 1


def paper_text(figure: PrimaryFigure) -> str:
    """The paper's value."""
    return "almost all" if figure.paper is None else f"{figure.paper:g} {figure.unit}"


def primary_table(run: Run, figures: ByChip) -> Rows:
    """Primary figures beside the paper's, with the verdict."""
    rows = [["figure", "chip", "paper", "here (95 % interval)", "verdict"]]
    for one in run.primary:
        found = figures[one.chip, one.cost][one.measure]
        ours = interval(found, digits_of(one.measure))
        rows.append([one.title, f"`{one.chip}`", paper_text(one), ours, verdict(one, found)])
    return rows


SAVED: tuple[Measure, ...] = ("saved_mean", "saved_most")
GAINED: tuple[Measure, ...] = ("gained_mean", "gained_most")


def chips_table(figures: ByChip, cost: Cost) -> Rows:
    """Each chip against the one without macros, for one cost."""
    name = COST_NAMES[cost]
    rows = [["chip", "against", f"{name} saved, mean, %", "most, %", f"points at equal {name}, mean", "most"]]
    for (chip, of_cost), found in figures.items():
        if of_cost == cost:
            cells = [interval(found[one], digits_of(one)) for one in (*SAVED, *GAINED)]
            rows.append([f"`{chip}`", f"`{PAIRS[chip]}`", *cells])
    return rows


def baseline_table(by_cost: Mapping[Cost, Mapping[str, Figures]]) -> Rows:
    """Sets of networks against those searched for the NPU alone."""
    rows = [["networks", "latency saved, mean, %", "most, %", "energy saved, mean, %", "most, %"]]
    for name in next(iter(by_cost.values())):
        cells = [interval(by_cost[cost][name][one]) for cost in COSTS for one in SAVED]
        rows.append([name, *cells])
    return rows


def blocks_table(run: Run, found: Fronts, cost: Cost) -> Rows:
    """ViT blocks per 10 conv blocks of the front networks in the window, for each chip and accuracy band.

    Networks of all seeds are counted together. A band is counted from the top of the seed's own window.
    """
    rows = [["chip", "points below the top", "networks", "ViT per 10 conv, median", "2 to 5, %"]]
    for chip in run.chips:
        fronts = (found.of(name, cost, run.seeds) for name in (chip, PAIRS[chip]))
        parts = [_below_top(*pair) for pair in zip(*fronts, strict=True)]
        below, ratios = (np.concatenate(part) for part in zip(*parts, strict=True))
        edges = [(BAND * step, BAND * (step + 1)) for step in range(4)]
        for name, inside in [
            ("all: 0 to 10", (below >= 0) & (below <= 10)),
            *((f"{low:g} to {high:g}", (below >= low) & (below < high)) for low, high in edges),
        ]:
            some = ratios[inside]
            within = (some >= FEW_VIT) & (some <= MANY_VIT)
            rows.append(
                [
                    f"`{chip}`",
                    name,
                    str(len(some)),
                    number(float(np.median(some)) if len(some) else float("nan")),
                    number(100 * float(within.mean()) if len(some) else float("nan"), 0),
                ]
            )
    return rows


def _below_top(chip: Front, base: Front) -> tuple[Floats, Floats]:
    """Points of each network of the chip below the top of the window, and its ViT per 10 conv, both (n,)."""
    top = window(chip.accuracies[0], base.accuracies[0])[-1]
    return top - chip.accuracies[0], vit_per_10_conv(chip)


def assumed_table(run: Run, numbers: Sequence[AssumedNumber]) -> Rows:
    """Primary figures with the most influential assumed numbers at their ends."""
    nominal, *ends = numbers
    rows = [["number", *(figure.title for figure in run.primary)]]

    def cells(one: AssumedNumber) -> list[str]:
        if not one.figures:
            return ["cannot run"] * len(run.primary)
        return [number(one.figures[figure.title], digits_of(figure.measure)) for figure in run.primary]

    rows.append(["as it is", *cells(nominal)])
    shown = sorted({one.name for one in ends}, key=lambda name: -influence(name, nominal, ends))
    for name in shown[:SHOWN_NUMBERS]:
        rows += [
            [f"`{name}` {one.end}: {one.value:g} {one.unit}", *cells(one)] for one in ends if one.name == name
        ]
    return rows


def influence(name: str, nominal: AssumedNumber, ends: Sequence[AssumedNumber]) -> float:
    """Largest change of a primary figure by one number, in points; infinite where the chip cannot run."""
    moves = [
        abs(value - nominal.figures[title])
        for one in ends
        if one.name == name
        for title, value in one.figures.items()
    ]
    return max((move for move in moves if not isnan(move)), default=float("inf"))


def digest_table(digests: Mapping[str, str]) -> Rows:
    """Digests of chips and weights."""
    return [["file", "SHA-256"], *([name, f"`{digest}`"] for name, digest in digests.items())]
