"""Data of a report: the record from which the page and the figures are drawn.

`records.py` defines the record. It holds columns instead of rows, and each distinct stage once, so that a
report of thousands of evaluations stays small.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np

from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware.cost_model import COST_SCOPE
from objectives.timeline import LANES, PARTS
from search_space.errors import H4HError
from search_space.genotype import to_text
from search_space.subnet import Stage, Subnet
from studies.analysis.assumed_numbers import MEMBERS, cost_model, shifts
from studies.analysis.comparison import blocks, compared_pairs
from studies.analysis.contenders import QUALITY, ComparisonError, Contender
from studies.analysis.front_certainty import front_certainty
from studies.analysis.gene_shares import gene_shares
from studies.analysis.hypervolume_curve import hypervolume_curves, spread_over
from studies.analysis.pick_rules import knee
from studies.analysis.unmeasured_ops import coverage_line
from studies.design_space.design_space import DesignSpace
from studies.presentation.next_commands import next_commands, study_command
from studies.report_page.mapping_data import Outline, mapping_record, stage_record
from studies.report_page.records import (
    BlocksRecord,
    GeneRecord,
    HardwareRecord,
    ImportanceRecord,
    MappingRecord,
    PairRecord,
    ReportRecord,
    RowsRecord,
    SensitivityRecord,
    ShiftRecord,
    StudyRecord,
    ViewRecord,
)
from studies.study.evaluation import Evaluation
from studies.study.pareto_front import nondominated
from studies.study.settings import STOP_RULES, StudySettings
from studies.study.study import Study

MAPPED = 96
"""Maximum number of mappings in a report; other members of the front get the command that prints theirs."""
SHOWN_GENES = 12
SOLID = ("acc", "lat", "energy")
"""Objectives of the plot in three dimensions, where a study has them."""


@dataclass(frozen=True)
class Reported:
    """A study in a report.

    Attributes:
        contender: The study, its evaluations and its name on the command line.
        database: File that holds it.
    """

    contender: Contender
    database: Path


def report_record(reported: Sequence[Reported]) -> ReportRecord:
    """The record of a report on one or several studies."""
    contenders = [entry.contender for entry in reported]
    networks = [_subnets(contender.study, contender.evaluations) for contender in contenders]
    parts = _NetworkParts.of(subnet for subnets in networks for subnet in subnets if subnet is not None)
    curves, measured_by = hypervolume_curves(contenders)
    notes: list[str] = []
    studies = []
    for entry, subnets, curve in zip(reported, networks, curves, strict=True):
        # In its own box and over all its objectives, which is where the curve of a single study ends.
        hypervolume = curve[-1][1] if len(reported) == 1 else entry.contender.hypervolume()
        study, study_notes = _study(entry, subnets, parts, hypervolume, curve, mapped=MAPPED // len(reported))
        studies.append(study)
        notes += study_notes
    pairs, pair_notes = _pairs(contenders)
    return {
        "studies": studies,
        "stages": [stage_record(stage) for stage in parts.stages],
        "outlines": [outline.record() for outline in parts.outlines],
        "views": views(contenders),
        "solid": _solid(contenders),
        "hypervolume_of": measured_by,
        "pairs": pairs,
        "notes": notes + pair_notes + _left_out(contenders),
        "lanes": list(LANES),
        "parts": PARTS,
        "scope": COST_SCOPE,
    }


@dataclass(frozen=True)
class _NetworkParts:
    """Index of every distinct stage, and of every distinct outline, of all networks of a report."""

    stages: dict[Stage, int]
    outlines: dict[Outline, int]

    @classmethod
    def of(cls, subnets: Iterable[Subnet]) -> Self:
        stages: dict[Stage, int] = {}
        outlines: dict[Outline, int] = {}
        for subnet in subnets:
            outlines.setdefault(Outline.of(subnet), len(outlines))
            for stage in subnet.stages:
                stages.setdefault(stage, len(stages))
        return cls(stages, outlines)


def _pairs(contenders: Sequence[Contender]) -> tuple[list[PairRecord], list[str]]:
    """Comparison of every two studies, and notes about those that cannot be compared."""
    if len(contenders) == 1:
        return [], []
    try:
        pairs, notes = compared_pairs(contenders)
    except ComparisonError as error:
        return [], [str(error)]
    return [cast("PairRecord", asdict(pair)) for pair in pairs], notes


def _study(
    reported: Reported,
    subnets: Sequence[Subnet | None],
    parts: _NetworkParts,
    hypervolume: float,
    curve: list[tuple[int, float]],
    *,
    mapped: int,
) -> tuple[StudyRecord, list[str]]:
    """The record of one study, and notes about what it lacks.

    Args:
        reported: The study.
        subnets: Networks of its evaluations; None for a genotype that is not in the space.
        parts: Indices of the stages and outlines of these networks.
        hypervolume: Hypervolume of its front.
        curve: Pairs of evaluations and hypervolume.
        mapped: Maximum number of members of the front with a mapping.
    """
    contender, study = reported.contender, reported.contender.study
    evaluations, front = contender.evaluations, contender.front
    row_of = {evaluation.index: row for row, evaluation in enumerate(evaluations)}
    members = [row_of[member.index] for member in front]
    hardware, hardware_notes = _hardware(contender, [subnets[row] for row in members], members, mapped)
    importance_of_genes = gene_importance(study, evaluations)
    certainty = front_certainty(study, evaluations, front)
    record: StudyRecord = {
        "name": contender.name,
        "space": study.space,
        "goals": [
            {"name": goal.name, "unit": goal.unit, "direction": goal.direction} for goal in study.goals
        ],
        "constraints": list(study.constraints),
        "created_at": study.created_at,
        "settings": study.settings,
        "fingerprint": study.fingerprint,
        "command": repeat_command(reported),
        "blocks": cast("BlocksRecord", asdict(blocks(front))),
        "rows": _rows(study, evaluations, subnets, parts),
        "front": members,
        "certainty": {} if certainty is None else certainty.columns(),
        "knee": members[knee(study.losses(front))] if front else None,
        "genes": _genes(study),
        "importance": importance_of_genes,
        "mappings": hardware.mappings,
        "sensitivity": hardware.sensitivity,
        "hardware": hardware.chip,
        "beside": [],
        "classes": None,
        "next": hardware.commands,
        "hypervolume": hypervolume,
        "hypervolume_curve": curve,
    }
    notes = []
    foreign = sum(subnet is None for subnet in subnets)
    if foreign:
        notes.append(
            f"{contender.name}: {foreign} of {len(evaluations)} genotypes are not in its search space; "
            f"their networks are not drawn"
        )
    if not front:
        notes.append(
            f"{contender.name}: no subnet satisfies "
            f"{' and '.join(limit.short_text for limit in study.limits)}; the front is empty"
        )
    notes += hardware_notes
    if measured := coverage_line(study, front):
        notes.append(f"{contender.name}: {measured}")
    if importance_of_genes is None:
        notes.append(f"{contender.name}: gene importance needs more evaluations, or evaluations that differ")
    return record, notes


def _rows(
    study: Study,
    evaluations: Sequence[Evaluation],
    subnets: Sequence[Subnet | None],
    parts: _NetworkParts,
) -> RowsRecord:
    columns = zip(*(evaluation.values for evaluation in evaluations), strict=True)
    return {
        "id": [evaluation.index for evaluation in evaluations],
        "values": [list(column) for column in columns],
        "feasible": [int(evaluation.is_feasible) for evaluation in evaluations],
        "macs": [evaluation.macs for evaluation in evaluations],
        "params": [evaluation.params for evaluation in evaluations],
        "conv": [evaluation.conv_blocks for evaluation in evaluations],
        "vit": [evaluation.vit_blocks for evaluation in evaluations],
        "family": [evaluation.family for evaluation in evaluations],
        "chip": _chips(study, evaluations, subnets),
        "genotype": [to_text(evaluation.genotype) for evaluation in evaluations],
        "stages": [
            None if subnet is None else [parts.stages[stage] for stage in subnet.stages] for subnet in subnets
        ],
        "outline": [None if subnet is None else parts.outlines[Outline.of(subnet)] for subnet in subnets],
    }


def _space(study: Study) -> DesignSpace | None:
    try:
        return study.search_space
    except H4HError:
        return None


def _subnets(study: Study, evaluations: Sequence[Evaluation]) -> list[Subnet | None]:
    """The networks; None for a genotype that is not in the space."""
    space = _space(study) if study.knows_networks else None
    subnets: list[Subnet | None] = []
    for evaluation in evaluations:
        try:
            subnets.append(None if space is None else space.decode(evaluation.genotype).subnet)
        except H4HError:
            subnets.append(None)
    return subnets


def _chips(
    study: Study, evaluations: Sequence[Evaluation], subnets: Sequence[Subnet | None]
) -> dict[str, list[int | None]]:
    """Columns of the searched chip choices, by name; empty where all networks run on one chip."""
    choices = [
        {} if subnet is None else study.chosen_hardware(evaluation.genotype)
        for evaluation, subnet in zip(evaluations, subnets, strict=True)
    ]
    names = study.hardware_choices if _space(study) is not None else ()
    return {name: [choice.get(name) for choice in choices] for name in names}


def repeat_command(reported: Reported) -> str:
    """The command that repeats the study up to its present number of evaluations."""
    settings = StudySettings.from_study(reported.contender.study)
    limits: dict[str, Any] = dict.fromkeys(STOP_RULES) | {"evaluations": len(reported.contender.evaluations)}
    return study_command(replace(settings, **limits), reported.database)


def quality_of(study: Study) -> str:
    """Vertical objective of all views: the accuracy, or else the first objective."""
    return QUALITY if QUALITY in study.objectives else study.objectives[0]


def views(contenders: Sequence[Contender]) -> list[ViewRecord]:
    """Scatter plots of the accuracy, or the first objective, against every other objective.

    A study of one objective is drawn against the order of evaluation.
    """
    axes: dict[tuple[str | None, str], None] = {}
    for contender in contenders:
        quality = quality_of(contender.study)
        others = [name for name in contender.study.objectives if name != quality]
        axes |= dict.fromkeys((name, quality) for name in others) if others else {(None, quality): None}
    return [
        {
            "x": x,
            "y": y,
            "lines": [pair_front(contender, x, y) if x is not None else [] for contender in contenders],
        }
        for x, y in axes
    ]


def pair_front(contender: Contender, x: str, y: str) -> list[int]:
    """Rows of the front of two objectives, ascending in `x`; empty if the study lacks one of them."""
    names = contender.study.objectives
    if x not in names or y not in names:
        return []
    rows = [row for row, evaluation in enumerate(contender.evaluations) if evaluation.is_feasible]
    columns = [names.index(x), names.index(y)]
    losses = contender.study.losses([contender.evaluations[row] for row in rows])[:, columns]
    members = nondominated(np.ascontiguousarray(losses))
    values = {row: contender.evaluations[rows[row]].values[columns[0]] or 0.0 for row in members}
    return [rows[row] for row in sorted(members, key=lambda row: values[row])]


def _solid(contenders: Sequence[Contender]) -> tuple[str, ...] | None:
    """Objectives of the plot in three dimensions; None where no study has three."""
    for contender in contenders:
        names = contender.study.objectives
        if len(names) >= 3:
            return SOLID if set(SOLID) <= set(names) else names[:3]
    return None


def _left_out(contenders: Sequence[Contender]) -> list[str]:
    notes = []
    if _solid(contenders) is None:
        notes.append("the plot in three dimensions needs three objectives and is left out")
    names = {name for contender in contenders for name in contender.study.objectives}
    if not names & {"acc", "lat"}:
        notes.append("blocks against accuracy and latency need one of these objectives and are left out")
    return notes


def _genes(study: Study) -> list[GeneRecord]:
    space = _space(study)
    return [] if space is None else [{"name": gene.name, "options": gene.options} for gene in space.genes]


def gene_importance(study: Study, evaluations: Sequence[Evaluation]) -> ImportanceRecord | None:
    """The genes that explain most of any objective, with their shares; None without any information."""
    found = gene_shares(study, evaluations)
    if found is None:
        return None
    most = np.argsort(-found.shares.max(axis=0), kind="stable")[:SHOWN_GENES]
    return {
        "genes": [found.genes[index] for index in most],
        "columns": [int(index) for index in most],
        "shares": {
            name: [round(float(found.shares[row, index]), 5) for index in most]
            for row, name in enumerate(found.objectives)
        },
        "evaluations": found.evaluations,
    }


class _Models:
    """The cost model of each network's own chip.

    Args:
        study: The study, which knows the chip of a genotype.
        costs: Cost model of the greatest chip, or of the only one.
    """

    def __init__(self, study: Study, costs: CostModel) -> None:
        self.greatest = costs
        self._study = study
        self._by_chip: dict[Chip, CostModel] = {}

    def cost_model(self, evaluation: Evaluation) -> CostModel:
        """The cost model for one network."""
        if not self._study.hardware_choices:
            return self.greatest
        chip = self._study.chip(evaluation.genotype)
        if chip not in self._by_chip:
            self._by_chip[chip] = cost_model(self._study, chip)
        return self._by_chip[chip]


@dataclass(frozen=True)
class _Hardware:
    """Entries of a study's record that depend on its chip; see the attributes of `StudyRecord`."""

    commands: dict[int, dict[str, str]]
    chip: HardwareRecord | None = None
    mappings: dict[int, MappingRecord] = field(default_factory=dict)
    sensitivity: SensitivityRecord | None = None


def _hardware(
    contender: Contender, front: Sequence[Subnet | None], members: Sequence[int], mapped: int
) -> tuple[_Hardware, list[str]]:
    """Mappings of members of the front, the sensitivity of the front, and notes about what is left out."""
    study, measured = contender.study, contender.evaluations
    commands = {row: next_commands(study, measured[row]) for row in members}
    try:
        costs = cost_model(study)
    except H4HError as error:
        return _Hardware(commands), [f"mappings, energy by part and sensitivity are left out: {error}"]
    soc = costs.soc if not study.hardware_choices else load_soc(str(study.settings["hardware"]))
    chip: HardwareRecord = {"name": soc.name, "description": soc.description}
    drawn = [(row, subnet) for row, subnet in zip(members, front, strict=True) if subnet is not None]
    if not drawn:
        return _Hardware(commands, chip), []
    notes = []
    models = _Models(study, costs)
    shown = [drawn[place] for place in spread_over(len(drawn), mapped)]
    mappings = {
        row: mapping_record(subnet, models.cost_model(measured[row]), study.quantities)
        for row, subnet in shown
    }
    if len(shown) < len(drawn):
        # Three commands for each of thousands of members would be as large as all their numbers.
        commands = {
            row: {name: text for name, text in texts.items() if row in mappings or name == "profile"}
            for row, texts in commands.items()
        }
        notes.append(
            f"{contender.name}: the report holds the mappings of {len(shown)} of the {len(drawn)} members of "
            f"the front, evenly spread, and for each other member the command that prints it"
        )
    sensitivity, sensitivity_notes = _sensitivity(contender, drawn, models)
    return _Hardware(commands, chip, mappings, sensitivity), notes + sensitivity_notes


def _sensitivity(
    contender: Contender, drawn: Sequence[tuple[int, Subnet]], models: _Models
) -> tuple[SensitivityRecord | None, list[str]]:
    """Sensitivity of members of the front (row and network), or a note that says why there is none."""
    study = contender.study
    if study.fingerprint.get("npu_model", "").startswith("vela"):
        return None, [
            f"{contender.name}: sensitivity is left out, because Vela would compile again for each number"
        ]
    chosen = [drawn[place] for place in spread_over(len(drawn), MEMBERS)]
    costs = [models.cost_model(contender.evaluations[row]) for row, _ in chosen]
    changes = shifts(study, costs, [subnet for _, subnet in chosen])
    if not changes:
        name = models.greatest.soc.name
        return None, [f"{contender.name}: {name} has no assumed number, so there is no sensitivity to show"]
    return {
        "members": [row for row, _ in chosen],
        "shifts": [cast("ShiftRecord", asdict(change)) for change in changes],
    }, []
