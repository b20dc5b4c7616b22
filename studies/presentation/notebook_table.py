"""Pareto front of a study as an HTML table for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from search_space.genotype import to_text
from studies.presentation.text_table import number_text
from studies.study.evaluation import Evaluation
from studies.study.study import Study

SHOWN_ROWS = 20


def front_html(study: Study, evaluations: Sequence[Evaluation], title: str) -> str:
    """The first `SHOWN_ROWS` of the front, best in the first objective first.

    Args:
        study: The study.
        evaluations: All of its evaluations.
        title: Line above the table.
    """
    front = study.front(evaluations)
    goals = [f"{goal.name} {goal.unit}" for goal in study.goals]
    counted = ["conv", "ViT", "family"] if study.knows_networks else ["genotype"]
    titles = ["id", *goals, *study.hardware_choices, *counted]
    lines = [_row("td", _cells(study, evaluation)) for evaluation in front[:SHOWN_ROWS]]
    rest = len(front) - SHOWN_ROWS
    more = f"<p>... {rest} more: .front()</p>" if rest > 0 else ""
    return f"<p>{escape(title)}</p><table>{_row('th', titles)}{''.join(lines)}</table>{more}"


def _cells(study: Study, evaluation: Evaluation) -> list[str]:
    values = [
        number_text(value, goal.unit) for value, goal in zip(evaluation.values, study.goals, strict=True)
    ]
    chip = study.chosen_hardware(evaluation.genotype).values()
    values += ["-" if number is None else str(number) for number in chip]
    if not study.knows_networks:
        return [str(evaluation.index), *values, to_text(evaluation.genotype)]
    counts = [str(evaluation.conv_blocks), str(evaluation.vit_blocks)]
    return [str(evaluation.index), *values, *counts, evaluation.family]


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
