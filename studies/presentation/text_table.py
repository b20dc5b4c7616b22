"""Text table of evaluations: objectives, size and family of each network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from search_space.genotype import to_text
from studies.study.evaluation import Evaluation
from studies.study.quantity_units import BLOCK_COUNTS
from studies.study.study import Goal, Study

_COUNTED = ("macs", "params")


def front_table(
    study: Study,
    evaluations: Sequence[Evaluation],
    contributions: Sequence[float] | None = None,
    more: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """One row per evaluation, in the order given.

    Args:
        study: The study of the evaluations.
        evaluations: Some of its evaluations.
        contributions: Hypervolume contribution of each; None to leave out the column.
        more: Additional columns behind the objectives, by title; one text for each evaluation.
    """
    more = more or {}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", justify="right", no_wrap=True)
    for goal in study.goals:
        unit = "" if goal.name in _COUNTED else f" {goal.unit}"
        table.add_column(f"{goal.name}{unit}", justify="right", no_wrap=True)
    chips = [study.chosen_hardware(evaluation.genotype) for evaluation in evaluations]
    for title in (*more, *study.hardware_choices):
        table.add_column(title, justify="right", no_wrap=True)
    shown = {*study.objectives, *(_COUNTED if study.knows_networks else ())}
    limited = {
        limit.quantity: (column, limit.unit)
        for column, limit in enumerate(study.limits)
        if limit.quantity not in shown and limit.quantity not in BLOCK_COUNTS
    }
    for quantity, (_, unit) in limited.items():
        table.add_column(f"{quantity} {unit}".rstrip(), justify="right", no_wrap=True)
    counted = [name for name in _COUNTED if name not in study.objectives] if study.knows_networks else []
    for name in (*counted, "conv", "vit") if study.knows_networks else ():
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("family" if study.knows_networks else "genotype", no_wrap=True)
    if contributions is not None:
        table.add_column("hv gain", justify="right", no_wrap=True)
    if study.constraints:
        table.add_column("feasible", no_wrap=True)
    for row, evaluation in enumerate(evaluations):
        cells = [
            value_text(evaluation, value, goal)
            for value, goal in zip(evaluation.values, study.goals, strict=True)
        ]
        cells += [texts[row] for texts in more.values()]
        cells += ["-" if number is None else str(number) for number in chips[row].values()]
        cells += [number_text(evaluation.limited[column], unit) for column, unit in limited.values()]
        cells += [count_text(getattr(evaluation, name)) for name in counted]
        if study.knows_networks:
            cells += [str(evaluation.conv_blocks), str(evaluation.vit_blocks), evaluation.family]
        else:
            cells.append(to_text(evaluation.genotype))
        if contributions is not None:
            cells.append(f"{contributions[row]:.2g}")
        if study.constraints:
            broken = ", ".join(map(str, study.broken(evaluation)))
            cells.append("yes" if evaluation.is_feasible else f"no: {broken}" if broken else "no")
        table.add_row(str(evaluation.index), *cells)
    return table


def value_text(evaluation: Evaluation, value: float | None, goal: Goal) -> str:
    """One value of `evaluation`; an accuracy that racing stopped measuring is shown as a bound."""
    text = number_text(value, goal.unit)
    if goal.name == "acc" and evaluation.is_bound:
        return f"<= {text} ({evaluation.stopped_after} images)"
    return text


def number_text(value: float | None, unit: str) -> str:
    """`value` with its significant digits; a dash if it was not measured."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{value:.2f}"
    return count_text(value) if value == int(value) and value >= 1000 else f"{value:#.4g}"


def count_text(value: float) -> str:
    """A count with four digits and k, M or G."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:#.4g}{prefix}"
    return f"{value:g}"
