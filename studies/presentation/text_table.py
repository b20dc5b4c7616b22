"""Text table of evaluations: objectives, size and family of each network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from objectives.hardware.cost_model import COST_SCOPE
from search_space.genotype import to_text
from studies.study.evaluation import Evaluation
from studies.study.quantity_units import BLOCK_COUNTS
from studies.study.study import Goal, Study

_COUNTED = ("macs", "params")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its title, with the unit.
        cells: One text for each row.
        is_number: Whether the cells are numbers, which stand right.
    """

    title: str
    cells: tuple[str, ...]
    is_number: bool = True


def front_columns(
    study: Study,
    evaluations: Sequence[Evaluation],
    contributions: Sequence[float] | None = None,
    more: Mapping[str, Sequence[str]] | None = None,
) -> list[Column]:
    """Columns with one row per evaluation, in the order given; for the arguments see `front_table`."""
    columns = [Column("id", tuple(str(evaluation.index) for evaluation in evaluations))]
    for place, goal in enumerate(study.goals):
        unit = "" if goal.name in _COUNTED else f" {goal.unit}"
        cells = [value_text(evaluation, evaluation.values[place], goal) for evaluation in evaluations]
        columns.append(Column(f"{goal.name}{unit}", tuple(cells)))
    columns += [Column(title, tuple(cells)) for title, cells in (more or {}).items()]
    chips = [study.chosen_hardware(evaluation.genotype) for evaluation in evaluations]
    for name in study.hardware_choices:
        columns.append(Column(name, tuple("-" if chip[name] is None else str(chip[name]) for chip in chips)))
    shown = {*study.objectives, *(_COUNTED if study.knows_networks else ())}
    limited = {
        limit.quantity: (place, limit.unit)
        for place, limit in enumerate(study.limits)
        if limit.quantity not in {*shown, *BLOCK_COUNTS} and limit.family is None
    }
    for quantity, (place, unit) in limited.items():
        cells = [number_text(evaluation.limited[place], unit) for evaluation in evaluations]
        columns.append(Column(f"{quantity} {unit}".rstrip(), tuple(cells)))
    columns += _sizes(study, evaluations)
    if contributions is not None:
        columns.append(Column("hv gain", tuple(f"{gain:.2g}" for gain in contributions)))
    if study.constraints:
        cells = [_verdict(study, evaluation) for evaluation in evaluations]
        columns.append(Column("feasible", tuple(cells), is_number=False))
    return columns


def _sizes(study: Study, evaluations: Sequence[Evaluation]) -> list[Column]:
    """Size and family of networks; the genotype where an accuracy table gave the search space."""
    if not study.knows_networks:
        cells = [to_text(evaluation.genotype) for evaluation in evaluations]
        return [Column("genotype", tuple(cells), is_number=False)]
    counted = [name for name in _COUNTED if name not in study.objectives]
    columns = [
        Column(name, tuple(count_text(getattr(evaluation, name)) for evaluation in evaluations))
        for name in counted
    ]
    for title in ("conv", "vit"):
        cells = [str(getattr(evaluation, f"{title}_blocks")) for evaluation in evaluations]
        columns.append(Column(title, tuple(cells)))
    return [*columns, Column("family", tuple(one.family for one in evaluations), is_number=False)]


def _verdict(study: Study, evaluation: Evaluation) -> str:
    """Whether the limits hold, and which do not."""
    broken = ", ".join(map(str, study.broken(evaluation)))
    return "yes" if evaluation.is_feasible else f"no: {broken}" if broken else "no"


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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    columns = front_columns(study, evaluations, contributions, more)
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def scope_lines(objectives: Iterable[str]) -> tuple[str, ...]:
    """The line below a table that says what latency and energy cover; none where neither is an objective."""
    return (COST_SCOPE,) if {"lat", "energy"} & set(objectives) else ()


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
