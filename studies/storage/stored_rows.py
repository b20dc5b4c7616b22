"""Conversion of studies, evaluations and reports to rows of a database and back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from search_space.genotype import parse, to_text
from studies.storage.row_digest import Row
from studies.storage.schema import EVALUATION_COLUMNS
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.software import Software
from studies.study.study import Goal, Study


def study_row(study_id: int, study: Study) -> Row:
    """Columns of a study, in the order of the table."""
    goals = [
        {"name": goal.name, "unit": goal.unit, "direction": goal.direction, "ideal": best, "reference": worst}
        for goal, best, worst in zip(study.goals, study.ideal, study.reference, strict=True)
    ]
    return (
        study_id,
        study.name,
        study.space,
        _to_json(study.space_definition),
        _to_json(goals),
        _to_json(study.constraints),
        _to_json(study.settings),
        _to_json(study.fingerprint),
        study.created_at,
    )


def evaluation_row(study_id: int, evaluation: Evaluation) -> Row:
    """Columns of an evaluation, in the order of the table."""
    return (
        study_id,
        int(evaluation.index),
        to_text(evaluation.genotype),
        _to_json(evaluation.values),
        _to_json(evaluation.limited),
        int(evaluation.is_feasible),
        int(evaluation.macs),
        int(evaluation.params),
        int(evaluation.conv_blocks),
        int(evaluation.vit_blocks),
        str(evaluation.family),
        None if evaluation.stopped_after is None else int(evaluation.stopped_after),
    )


def report_row(study_id: int, generation: int, report: GenerationReport) -> Row:
    """Columns of a report, in the order of the table."""
    # SQLite stores -0.0 as 0.0; the sum is the same for both.
    correlation = None if report.rank_correlation is None else float(report.rank_correlation) + 0.0
    return (study_id, int(generation), str(report.source), correlation)


def software_row(study_id: int, number: int, software: Software) -> Row:
    """Columns of what measured some evaluations, in the order of the table."""
    return (study_id, number, _to_json(dict(software)))


def read_software(row: Sequence[object]) -> Software:
    """Versions by library in a row.

    Raises:
        ValueError: A column cannot be read. Also `TypeError`.
    """
    _, _, versions = row
    return {name: _text(version) for name, version in json.loads(_text(versions)).items()}


def read_study(row: Sequence[object]) -> Study:
    """The study in a row.

    Raises:
        ValueError: A column cannot be read. Also `KeyError` and `TypeError`.
    """
    _, name, space, definition, objectives, constraints, settings, fingerprint, created_at = row
    goals = json.loads(_text(objectives))
    return Study(
        name=_text(name),
        space=_text(space),
        space_definition=json.loads(_text(definition)),
        goals=tuple(Goal(goal["name"], goal["unit"], goal["direction"]) for goal in goals),
        constraints=tuple(json.loads(_text(constraints))),
        settings=json.loads(_text(settings)),
        fingerprint=json.loads(_text(fingerprint)),
        ideal=tuple(float(goal["ideal"]) for goal in goals),
        reference=tuple(float(goal["reference"]) for goal in goals),
        created_at=_text(created_at),
    )


def read_evaluation(row: Sequence[object]) -> Evaluation:
    """The evaluation in a row; a column after those of `EVALUATION_COLUMNS` is left out.

    Raises:
        ValueError: A column cannot be read. Also `TypeError`.
    """
    columns = row[1 : len(EVALUATION_COLUMNS)]
    index, genotype, values, limited, is_feasible, *counts, family, stopped_after = columns
    macs, params, conv_blocks, vit_blocks = counts
    return Evaluation(
        index=_int(index),
        genotype=parse(_text(genotype)),
        values=_floats(_text(values)),
        limited=_floats(_text(limited)),
        is_feasible=bool(_int(is_feasible)),
        macs=_int(macs),
        params=_int(params),
        conv_blocks=_int(conv_blocks),
        vit_blocks=_int(vit_blocks),
        family=_text(family),
        stopped_after=None if stopped_after is None else _int(stopped_after),
    )


def read_report(row: Sequence[object]) -> GenerationReport:
    """The report in a row.

    Raises:
        TypeError: A column cannot be read.
    """
    _, _, source, correlation = row
    if correlation is not None and not isinstance(correlation, float):
        raise TypeError(f"expected a number, got {correlation!r}")
    return GenerationReport(_text(source), correlation)


def _floats(text: str) -> tuple[float | None, ...]:
    return tuple(None if value is None else _finite(value) for value in json.loads(text))


def _finite(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"expected a number, got {value!r:.60}")
    number = float(value)
    if not -_LARGEST < number < _LARGEST:  # `1e999` in JSON is infinite, `NaN` is neither.
        raise ValueError(f"expected a finite number, got {value!r:.60}")
    return number


_LARGEST = float("inf")


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected an integer, got {value!r:.60}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r:.60}")
    return value


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
