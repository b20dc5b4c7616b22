"""Figures of gradient conflict: bars of one measurement, curves over training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from search_space.errors import H4HError
from search_space.files.regular_file import file_problem
from search_space.files.yaml_document import parse_document
from supernet.gradient_conflict.measurement import ConflictReport, Cosines, PairKind
from supernet.gradient_conflict.subnet_gradients import ParameterGroup

if TYPE_CHECKING:  # Importing matplotlib takes a second.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG = "log.jsonl"
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Paul Tol's bright scheme, which colour-blind readers can tell apart."""
CURVES = (
    ParameterGroup.ALL,
    ParameterGroup.CONV,
    ParameterGroup.NORM,
    ParameterGroup.ATTENTION,
    ParameterGroup.MLP,
)
"""Groups of parameters that get a column of curves."""


@dataclass(frozen=True)
class Measurement:
    """Gradient conflict in one epoch of a training log.

    Attributes:
        epoch: Number of finished epochs.
        phase: Name of the training phase.
        report: The measurement.
    """

    epoch: int
    phase: str
    report: ConflictReport


def read_measurements(path: Path) -> list[Measurement]:
    """The measurements in a training log, in order.

    Args:
        path: A ``log.jsonl``, or the folder of a training that holds one.

    Raises:
        H4HError: The file is absent, a line is damaged, or no line holds a measurement.
    """
    path = path / LOG if path.is_dir() else path
    if problem := file_problem(path):
        raise H4HError(f"training log {path} {problem}; name the folder of a training, or its {LOG}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise H4HError(f"training log {path} cannot be read ({error})") from error
    measurements = []
    for number, line in enumerate(lines, start=1):
        source = f"training log {path}, line {number}"
        try:
            record = json.loads(line)
            if "conflict" in record:
                report = parse_document(ConflictReport, record["conflict"], source=source)
                measurements.append(Measurement(int(record["epoch"]), str(record["phase"]), report))
        except (ValueError, TypeError, KeyError) as error:
            raise H4HError(f"{source}: not a record of an epoch ({error})") from error
    if not measurements:
        raise H4HError(
            f"training log {path} holds no measurement of gradient conflict: "
            f"train with `python -m supernet.train --conflict-every EPOCHS`"
        )
    return measurements


def report_figure(report: ConflictReport, title: str) -> Figure:
    """Bars: mean cosine and share of negative ones, by group and kind of pair; one standard error."""
    from matplotlib.figure import Figure

    kinds = [kind for kind in PairKind if kind in report.cosines]
    groups = [group for group in ParameterGroup if any(group in report.cosines[kind] for kind in kinds)]
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    width = 0.8 / len(kinds)
    for row, (kind, colour) in enumerate(zip(kinds, COLOURS, strict=False)):
        offset = width * (row - (len(kinds) - 1) / 2)
        by_group = [(place, report.cosines[kind].get(group)) for place, group in enumerate(groups)]
        bars = [(place + offset, cosines) for place, cosines in by_group if cosines]
        places = [place for place, _ in bars]
        errors = [cosines.standard_error or 0.0 for _, cosines in bars]
        above.bar(
            places,
            [cosines.mean for _, cosines in bars],
            width,
            yerr=errors,
            color=colour,
            label=kind.value,
            capsize=2,
        )
        below.bar(places, [100 * cosines.negative for _, cosines in bars], width, color=colour)
    above.axhline(0, color="black", linewidth=0.8)
    above.set_title(title)
    above.set_ylabel("cosine between gradients\n(mean, one standard error)")
    below.set_ylabel("cosines below 0, %")
    below.set_ylim(bottom=0)
    below.set_xticks(range(len(groups)), [group.value for group in groups])
    figure.legend(loc="outside lower center", ncols=len(kinds))
    return figure


def history_figure(runs: Mapping[str, Sequence[Sequence[Measurement]]]) -> Figure:
    """Curves of the mean cosine over training: a row per kind of pair, a column per group, a colour per run.

    Args:
        runs: Measurements of one training, or of several with different seeds, by the name of the run. A
            curve is their mean. Its band is one standard error: over several trainings, or of the measurement
            of a single one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 8), layout="constrained")
    axes = figure.subplots(len(PairKind), len(CURVES), sharex=True, sharey=True)
    for row, kind in enumerate(PairKind):
        for column, group in enumerate(CURVES):
            panel = axes[row, column]
            drawn = [
                _draw_curve(panel, trainings, kind, group, name, COLOURS[number % len(COLOURS)])
                for number, (name, trainings) in enumerate(runs.items())
            ]
            panel.axhline(0, color="black", linewidth=0.8)
            panel.xaxis.get_major_locator().set_params(integer=True)
            panel.set_title(f"{kind.value}: {group.value}", fontsize=10)
            if not any(drawn):
                panel.set_visible(False)
    figure.supxlabel("epoch")
    figure.supylabel("mean cosine between gradients")
    entries = {
        label: handle
        for panel in axes.flat
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=6)
    return figure


def _draw_curve(
    panel: Axes,
    trainings: Sequence[Sequence[Measurement]],
    kind: PairKind,
    group: ParameterGroup,
    name: str,
    colour: str,
) -> bool:
    """Draws one run into one panel; returns whether it has any value there."""
    by_epoch: dict[int, list[Cosines]] = {}
    for training in trainings:
        for measurement in training:
            cosines = measurement.report.cosines.get(kind, {}).get(group)
            if cosines is not None:
                by_epoch.setdefault(measurement.epoch, []).append(cosines)
    if not by_epoch:
        return False
    epochs = sorted(by_epoch)
    means = np.array([np.mean([cosines.mean for cosines in by_epoch[epoch]]) for epoch in epochs])
    errors = np.array([_standard_error(by_epoch[epoch]) for epoch in epochs])
    panel.plot(epochs, means, color=colour, label=name, marker=".")
    panel.fill_between(epochs, means - errors, means + errors, color=colour, alpha=0.2, linewidth=0)
    for start in _phase_starts(trainings[0]):
        panel.axvline(start, color=colour, linewidth=0.8, linestyle=":")
    return True


def _standard_error(trainings: Sequence[Cosines]) -> float:
    if len(trainings) > 1:
        return float(np.std([cosines.mean for cosines in trainings], ddof=1) / np.sqrt(len(trainings)))
    return trainings[0].standard_error or 0.0


def _phase_starts(training: Sequence[Measurement]) -> list[float]:
    """Epochs halfway between the last measurement of a phase and the first of the next."""
    return [
        (before.epoch + after.epoch) / 2
        for before, after in pairwise(training)
        if before.phase != after.phase
    ]


def run_names(paths: Sequence[Path]) -> list[str]:
    """Names for the legend: folder names, or whole paths if two folders have the same name."""
    names = [(path.parent if path.suffix == ".jsonl" else path).resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]
