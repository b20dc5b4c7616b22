"""Results of the ablation of two-phase training: estimates over seeds, tables, figures, a docs page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from scipy.stats import kendalltau, t

from benchmarks.supernet.two_phase_settings import BASELINE, PURE_CNN
from search_space.command.wide_table import print_wide
from search_space.families import Family
from search_space.files.yaml_document import Document
from supernet.gradient_conflict.figures import COLOURS, Measurement, history_figure, read_measurements
from supernet.gradient_conflict.measurement import ConflictReport, PairKind
from supernet.gradient_conflict.subnet_gradients import ParameterGroup
from supernet.training.recipe import Recipe

CONFIDENCE = 0.95

GROUPS = (ParameterGroup.CONV, ParameterGroup.NORM, ParameterGroup.ATTENTION, ParameterGroup.MLP)
"""Groups of parameters in the table of conflict."""


@dataclass(frozen=True)
class RunResult(Document):
    """Result of one training.

    Attributes:
        setting: Name of the way to train.
        seed: Seed of the training.
        accuracy: Top-1 in % of each scored subnet, by the name of its group; the same subnets in all runs.
        conflict: Gradient conflict of the trained weights.
        seconds: Time of training and evaluation in the last process that worked on it.
        cpu_seconds: CPU time of the training.
    """

    setting: str
    seed: int
    accuracy: dict[str, list[float]]
    conflict: ConflictReport
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds and half the width of its 95 % confidence interval (Student's t); None for one seed."""

    mean: float
    half_width: float | None

    @property
    def excludes_zero(self) -> bool:
        return self.half_width is not None and abs(self.mean) > self.half_width

    def text(self, digits: int, *, signed: bool = False) -> str:
        mean = f"{self.mean:{'+' if signed else ''}.{digits}f}"
        return mean if self.half_width is None else f"{mean} ± {self.half_width:.{digits}f}"


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate from one value per seed, at least one."""
    if len(values) == 1:
        return Estimate(values[0], None)
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(float(np.mean(values)), float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error)


# --- tables --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReportTable:
    """A table for the terminal and for Markdown.

    Attributes:
        title: Title of the table.
        note: How to read the table.
        header: Names of the columns.
        rows: Cells as text.
    """

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def print(self) -> None:
        table = Table(box=box.SIMPLE_HEAD, title=self.title, title_justify="left")
        for number, name in enumerate(self.header):
            table.add_column(name, justify="right" if number else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        print_wide(table)
        print(f"  {self.note}\n")

    def markdown(self) -> str:
        lines = [
            f"| {' | '.join(cells)} |" for cells in (self.header, ("---",) * len(self.header), *self.rows)
        ]
        return "\n".join((f"## {self.title}", self.note, "", *lines, ""))


def settings_table(recipes: Mapping[str, Recipe]) -> ReportTable:
    """Table of the training of each setting, from its recipe."""
    rows = [
        (
            name,
            ", then ".join(f"{phase.name} {phase.epochs}" for phase in recipe.phases),
            str(recipe.epochs),
            str(sum(phase.epochs * (2 + phase.random_subnets) for phase in recipe.phases)),
        )
        for name, recipe in recipes.items()
    ]
    return ReportTable(
        "Settings",
        "A step trains the largest, the smallest and random subnets on the same images. Recipes differ in "
        "the number of random subnets, so the work per image differs. `joint` is trained in three lengths.",
        ("setting", "epochs by phase", "epochs", "maximum of subnets per image"),
        tuple(rows),
    )


def grouped(results: Sequence[RunResult]) -> dict[str, dict[int, RunResult]]:
    """Results by setting and seed."""
    by_setting: dict[str, dict[int, RunResult]] = {}
    for result in results:
        by_setting.setdefault(result.setting, {})[result.seed] = result
    return by_setting


def result_tables(results: Sequence[RunResult]) -> list[ReportTable]:
    """Accuracy, its difference to the baseline, CNNs in both supernets, conflict."""
    by_setting = grouped(results)
    return [
        accuracy_table(by_setting),
        difference_table(by_setting),
        cnn_table(by_setting),
        conflict_table(by_setting),
        negative_table(by_setting),
    ]


BySetting = Mapping[str, Mapping[int, RunResult]]


def _columns(by_setting: BySetting) -> list[str]:
    """Groups of subnets that any run has scored, in their order."""
    return list(
        dict.fromkeys(name for runs in by_setting.values() for run in runs.values() for name in run.accuracy)
    )


def _title(group: str) -> str:
    return f"{group} family" if group in set(Family) else group


def group_accuracy(runs: Mapping[int, RunResult], group: str) -> Estimate | None:
    """Mean accuracy of a group's subnets, estimated over seeds; None if it was not scored."""
    values = [float(np.mean(run.accuracy[group])) for run in runs.values() if group in run.accuracy]
    return estimate(values) if values else None


def group_difference(
    runs: Mapping[int, RunResult], others: Mapping[int, RunResult], group: str
) -> Estimate | None:
    """Difference in points of a group between `runs` and `others`, compared seed by seed."""
    values = [
        float(np.mean(run.accuracy[group]) - np.mean(others[seed].accuracy[group]))
        for seed, run in runs.items()
        if seed in others and group in run.accuracy and group in others[seed].accuracy
    ]
    return estimate(values) if values else None


def accuracy_table(by_setting: BySetting) -> ReportTable:
    columns = _columns(by_setting)
    sizes = {
        name: len(values)
        for runs in by_setting.values()
        for name, values in next(iter(runs.values())).accuracy.items()
    }
    rows = []
    for setting, runs in by_setting.items():
        accuracies = [group_accuracy(runs, group) for group in columns]
        rows.append((setting, *("" if each is None else each.text(1) for each in accuracies)))
    families = ", ".join(f"{sizes[group]} {group}" for group in columns if group in set(Family))
    return ReportTable(
        "Accuracy",
        f"Top-1 in %, mean over seeds and its 95 % confidence interval. The value of a family is the mean of "
        f"random subnets, the same in all runs ({families}).",
        ("setting", *map(_title, columns)),
        tuple(rows),
    )


def difference_table(by_setting: BySetting) -> ReportTable:
    columns = _columns(by_setting)
    rows = []
    for setting, runs in by_setting.items():
        if setting == BASELINE:
            continue
        differences = [group_difference(runs, by_setting[BASELINE], group) for group in columns]
        rows.append((setting, *("" if each is None else starred(each) for each in differences)))
    return ReportTable(
        f"Accuracy against {BASELINE}",
        "Difference in points, compared seed by seed, with its 95 % confidence interval; * where that "
        "excludes 0. About one in twenty stars is chance.",
        ("setting", *map(_title, columns)),
        tuple(rows),
    )


def starred(difference: Estimate) -> str:
    """A difference with its interval, and * if that excludes 0."""
    return difference.text(1, signed=True) + (" *" if difference.excludes_zero else "")


def cnn_table(by_setting: BySetting) -> ReportTable:
    """The same CNN subnets inside each hybrid supernet and inside the pure CNN supernet."""
    group, pure = Family.CNN.value, by_setting[PURE_CNN]
    rows = []
    for setting, runs in by_setting.items():
        if setting == PURE_CNN:
            continue
        seeds = [seed for seed in runs if seed in pure]
        pairs = [
            (np.array(runs[seed].accuracy[group]), np.array(pure[seed].accuracy[group])) for seed in seeds
        ]
        inside, outside = group_accuracy(runs, group), group_accuracy(pure, group)
        difference = group_difference(runs, pure, group)
        assert inside is not None
        assert outside is not None
        assert difference is not None
        better = np.mean([np.mean(first > second) for first, second in pairs])
        tau = np.mean([kendalltau(first, second).statistic for first, second in pairs])
        cells = (inside.text(1), outside.text(1), starred(difference), f"{100 * better:.0f} %", f"{tau:.2f}")
        rows.append((setting, *cells))
    return ReportTable(
        "The same CNN subnets in the hybrid and in the pure CNN supernet",
        "Mean top-1 in %, and the difference seed by seed; * where its 95 % confidence interval excludes 0. "
        "The last columns are the share of subnets that are better in the hybrid, and Kendall's tau between "
        "the two rankings.",
        (
            "hybrid supernet by",
            "in the hybrid",
            "in the pure CNN",
            "difference",
            "better in the hybrid",
            "tau",
        ),
        tuple(rows),
    )


def _conflict_columns() -> list[tuple[PairKind, ParameterGroup]]:
    shared = (ParameterGroup.CONV, ParameterGroup.NORM)
    return [
        (kind, group) for kind in PairKind for group in (GROUPS if kind == PairKind.HYBRID_HYBRID else shared)
    ]


def _conflict_rows(by_setting: BySetting, *, negative: bool) -> tuple[tuple[str, ...], ...]:
    rows = []
    for setting, runs in by_setting.items():
        cells = []
        for kind, group in _conflict_columns():
            cosines = [run.conflict.cosines.get(kind, {}).get(group) for run in runs.values()]
            values = [100 * each.negative if negative else each.mean for each in cosines if each is not None]
            is_trained = setting != PURE_CNN or kind == PairKind.CNN_CNN
            cells.append(estimate(values).text(1 if negative else 3) if values and is_trained else "")
        rows.append((setting, *cells))
    return tuple(rows)


def conflict_table(by_setting: BySetting) -> ReportTable:
    header = tuple(f"{kind.value} {group.value}" for kind, group in _conflict_columns())
    return ReportTable(
        "Conflict after training: mean cosine",
        "Cosine between gradients of random subnets on training images, tensor by tensor. 1 is agreement, "
        "and below 0 is conflict. Mean over seeds and its 95 % confidence interval.",
        ("setting", *header),
        _conflict_rows(by_setting, negative=False),
    )


def negative_table(by_setting: BySetting) -> ReportTable:
    header = tuple(f"{kind.value} {group.value}" for kind, group in _conflict_columns())
    return ReportTable(
        "Conflict after training: cosines below 0",
        "Share in %, mean over seeds and its 95 % confidence interval.",
        ("setting", *header),
        _conflict_rows(by_setting, negative=True),
    )


# --- figures -------------------------------------------------------------------------------------


def figures(results: Sequence[RunResult], logs: Mapping[str, Sequence[Path]]) -> dict[str, Figure]:
    """Figures by name: final accuracy; training accuracy and conflict over epochs, by setting."""
    return {
        "accuracy": accuracy_figure(results),
        "training": training_figure(logs),
        "conflict": history_figure(
            {
                setting: [_of_trained_weights(read_measurements(path), setting) for path in paths]
                for setting, paths in logs.items()
            }
        ),
    }


def _of_trained_weights(measurements: Sequence[Measurement], setting: str) -> Sequence[Measurement]:
    """The conflict without pairs that hold a hybrid if the setting never trains transformer blocks."""
    if setting != PURE_CNN:
        return measurements
    kind = PairKind.CNN_CNN
    reports = [replace(each.report, cosines={kind: each.report.cosines[kind]}) for each in measurements]
    return [replace(each, report=report) for each, report in zip(measurements, reports, strict=True)]


def accuracy_figure(results: Sequence[RunResult]) -> Figure:
    """Accuracy of each group of subnets, a colour for each setting; bars are 95 % confidence intervals."""
    by_setting = grouped(results)
    columns = _columns(by_setting)
    figure = Figure(figsize=(11, 5), layout="constrained")
    panel = figure.subplots()
    for row, (setting, runs) in enumerate(by_setting.items()):
        accuracies = [(place, group_accuracy(runs, group)) for place, group in enumerate(columns)]
        shown = [(place, each) for place, each in accuracies if each is not None]
        panel.errorbar(
            [place + 0.1 * (row - (len(by_setting) - 1) / 2) for place, _ in shown],
            [each.mean for _, each in shown],
            yerr=[each.half_width or 0.0 for _, each in shown],
            fmt="o",
            capsize=3,
            color=COLOURS[row % len(COLOURS)],
            label=setting,
        )
    panel.set_xticks(range(len(columns)), list(map(_title, columns)))
    panel.set_ylabel("top-1, %")
    figure.legend(loc="outside upper center", ncols=6)
    return figure


def training_figure(logs: Mapping[str, Sequence[Path]]) -> Figure:
    """Training accuracy of the largest and the smallest subnet over epochs, mean over seeds."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for row, (setting, paths) in enumerate(logs.items()):
        records = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
        for panel, kind in zip(panels, ("largest", "smallest"), strict=True):
            _draw_training(panel, records, kind, setting, COLOURS[row % len(COLOURS)])
    for panel, kind in zip(panels, ("largest", "smallest"), strict=True):
        panel.set_title(f"{kind} subnet of the phase at hand")
        panel.set_xlabel("epoch")
        panel.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("top-1 on augmented training images, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def _draw_training(
    panel: Axes, records: Sequence[Sequence[dict[str, object]]], kind: str, name: str, colour: str
) -> None:
    by_epoch: dict[int, list[float]] = {}
    for log in records:
        for record in log:
            accuracy = record["train_accuracy"]
            assert isinstance(accuracy, dict)
            if kind in accuracy:
                by_epoch.setdefault(int(str(record["epoch"])), []).append(accuracy[kind])
    epochs = sorted(by_epoch)
    panel.plot(epochs, [np.mean(by_epoch[epoch]) for epoch in epochs], color=colour, label=name, marker=".")


# --- page ----------------------------------------------------------------------------------------

INTRODUCTION = """\
In the H4H paper (ASP-DAC 2025), subnets of a hybrid supernet do worse than those of a pure CNN supernet when
trained as usual. The paper blames conflicting gradients of convolution and transformer blocks. It therefore
trains the CNN part first, then the whole hybrid from its weights. This page tests that claim. It reports the
result whichever way it goes. The command below writes the page."""


def markdown(
    tables: Sequence[ReportTable], *, command: str, about: str, machine: str, figures: Sequence[str]
) -> str:
    """The page for the docs.

    Args:
        tables: Tables in order.
        command: Command that regenerates the page.
        about: Training, and limits of the figures.
        machine: Description of the machine.
        figures: Names of the figures in the folder of the page.
    """
    captions = {
        "accuracy": "Accuracy after training; bars are 95 % confidence intervals.",
        "training": "Training accuracy, mean over seeds.",
        "conflict": "Gradient conflict during training: mean over seeds, band one standard error, dotted "
        "line a new phase.",
    }
    images = [f"![{captions[name]}](two-phase-{name}.svg)\n\n{captions[name]}\n" for name in figures]
    head = f"# Two-phase training, measured\n{INTRODUCTION}\n\n    {command}\n\n{about}. On {machine}.\n"
    return "\n".join((head, *(table.markdown() for table in tables), "## Curves", *images))
