"""Studies and evaluations as plain records for JSON, CSV and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search_space.genotype import to_text
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Study


def summary_record(study: Study, evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """One entry in a list of studies."""
    return {
        "study": study.name,
        "space": study.space,
        "objectives": list(study.objectives),
        "constraints": list(study.constraints),
        "evaluations": len(evaluations),
        "front_size": len(study.front(evaluations)),
        "hypervolume": study.hypervolume(evaluations),
        "settings": study.settings,
        "created_at": study.created_at,
    }


def study_record(
    study: Study,
    evaluations: Sequence[Evaluation],
    reports: Sequence[GenerationReport] = (),
    *,
    is_complete: bool,
) -> dict[str, Any]:
    """A study with its front.

    Args:
        study: The study.
        evaluations: Of the study, in order.
        reports: Prediction quality of its generations, in order; empty without predictions.
        is_complete: Whether ``"evaluations"`` lists them instead of counting them.
    """
    rows = [
        {
            **evaluation_record(study, evaluation),
            "feasible": evaluation.is_feasible,
            "limited": dict(zip(study.constraints, evaluation.limited, strict=True)),
            "broken": list(map(str, study.broken(evaluation))),
            "stopped_after": evaluation.stopped_after,
        }
        for evaluation in evaluations
    ]
    front = study.front(evaluations)
    record = {
        "study": study.name,
        "objectives": list(study.objectives),
        "evaluations": rows if is_complete else len(rows),
        "hypervolume": study.hypervolume(front),
        "front": [
            {**evaluation_record(study, evaluation), "contribution": contribution}
            for evaluation, contribution in zip(front, study.contributions(front), strict=True)
        ],
    }
    if reports:
        record["generations"] = [
            {"generation": number, "source": report.source, "rank_correlation": report.rank_correlation}
            for number, report in enumerate(reports, start=1)
        ]
    return record


def evaluation_record(study: Study, evaluation: Evaluation) -> dict[str, Any]:
    """One subnet: each objective under its name, None if it was not measured.

    If chips were searched, ``macros`` and ``units`` name its chip; without macros, ``units`` is None.
    """
    values = dict(zip(study.objectives, evaluation.values, strict=True))
    return {
        "id": evaluation.index,
        "genotype": list(evaluation.genotype),
        **values,
        **counts(study, evaluation),
        **study.chosen_hardware(evaluation.genotype),
    }


def counts(study: Study, evaluation: Evaluation) -> dict[str, Any]:
    """Size and blocks of a network, by name.

    Where an accuracy table gave the search space they are None, but for objectives of the same name.
    """
    names = ("macs", "params", "conv_blocks", "vit_blocks", "family")
    if study.knows_networks:
        return {name: getattr(evaluation, name) for name in names}
    return {name: None for name in names if name not in study.objectives}


def rows(study: Study, evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """One record for each evaluation: values, counts, chip if it was searched, then the option of every gene.

    A value that was not measured is None, and so is a gene that the network does not use. If racing stopped a
    subnet (``stopped_after``), its accuracy is an upper bound.
    """
    space = study.search_space
    front = {evaluation.index for evaluation in study.front(evaluations)}
    limited = [limit.quantity for limit in study.limits]
    records = []
    for evaluation in evaluations:
        active = space.active(evaluation.genotype)
        records.append(
            {
                "id": evaluation.index,
                **dict(zip(limited, evaluation.limited, strict=True)),
                **dict(zip(study.objectives, evaluation.values, strict=True)),
                "stopped_after": evaluation.stopped_after,
                "feasible": evaluation.is_feasible,
                "on_front": evaluation.index in front,
                **counts(study, evaluation),
                **study.chosen_hardware(evaluation.genotype),
                "genotype": to_text(evaluation.genotype),
                **{
                    gene.name: gene.options[index] if is_active else None
                    for gene, index, is_active in zip(space.genes, evaluation.genotype, active, strict=True)
                },
            }
        )
    return records
