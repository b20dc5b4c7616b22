"""Everything a report shows, as plain numbers: what its page draws and what its figures are drawn from.

Columns instead of rows, and each distinct stage once, so that thousands of evaluations stay small.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.timeline import LANES, PARTS
from search_space.errors import H4HError
from search_space.genotype import to_text
from search_space.space import Space
from search_space.subnet import Stage, Subnet
from studies.analysis.assumed_numbers import MEMBERS, cost_model, shifts
from studies.analysis.comparison import QUALITY, ComparisonError, Contender, blocks, compared_pairs
from studies.analysis.gene_importance import importance
from studies.analysis.hypervolume_curve import hypervolume_curves, spread_over
from studies.analysis.pick_rules import knee
from studies.presentation.next_commands import next_commands, study_command
from studies.report_page.mapping_data import mapping_record, outline, stage_record
from studies.study.evaluation import Evaluation
from studies.study.pareto_front import Floats, nondominated
from studies.study.settings import DEFAULTS
from studies.study.study import Study

MAPPED = 96
"""Front members of a report whose mapping is shown op by op; the others tell the command that shows it."""
SHOWN_GENES = 12
SOLID = ("acc", "lat", "energy")
"""Objectives of the three-dimensional view, where a study has them."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Reported:
    """A study in a report.

    Attributes:
        contender: The study, its evaluations and the name that the user gave it.
        database: File that holds it.
    """

    contender: Contender
    database: Path


def report_record(reported: Sequence[Reported]) -> Record:
    """All studies of a report, side by side."""
    contenders = [one.contender for one in reported]
    notes: list[str] = []
    stages: dict[Stage, int] = {}
    outlines: dict[str, tuple[int, Record]] = {}
    studies = [_study(one, MAPPED // len(reported), stages, outlines, notes) for one in reported]
    pairs: list[Record] = []
    if len(contenders) > 1:
        try:
            found, incomparable = compared_pairs(contenders)
            pairs, notes = [asdict(pair) for pair in found], notes + incomparable
        except ComparisonError as error:
            notes.append(str(error))
    curves, measured_by = hypervolume_curves(contenders)
    for one, study, curve in zip(contenders, studies, curves, strict=True):
        study["hypervolume_curve"] = curve
        # In its own box and by all its objectives, which for a single study the curve ends with.
        study["hypervolume"] = curve[-1][1] if len(contenders) == 1 else one.hypervolume()
    return {
        "studies": studies,
        "stages": [stage_record(stage) for stage in stages],
        "outlines": [record for _, record in outlines.values()],
        "views": views(contenders),
        "solid": _solid(contenders),
        "hypervolume_of": measured_by,
        "pairs": pairs,
        "notes": notes + _left_out(contenders),
        "lanes": list(LANES),
        "parts": PARTS,
    }


def _study(
    reported: Reported,
    mapped: int,
    stages: dict[Stage, int],
    outlines: dict[str, tuple[int, Record]],
    notes: list[str],
) -> Record:
    """One study; adds what it finds to `stages`, `outlines` and `notes`."""
    contender, study = reported.contender, reported.contender.study
    evaluations = contender.evaluations
    front = contender.front
    subnets = _subnets(study, evaluations)
    missing = sum(subnet is None for subnet in subnets)
    if missing:
        notes.append(
            f"{contender.name}: {missing} of {len(evaluations)} genotypes are none of its space; their "
            f"networks are not drawn"
        )
    if not front:
        notes.append(
            f"{contender.name}: no subnet holds {' and '.join(study.constraints)}; the front is empty"
        )
    rows = {
        "id": [one.index for one in evaluations],
        "values": [list(column) for column in zip(*(one.values for one in evaluations), strict=True)],
        "feasible": [int(one.is_feasible) for one in evaluations],
        "macs": [one.macs for one in evaluations],
        "params": [one.params for one in evaluations],
        "conv": [one.conv_blocks for one in evaluations],
        "vit": [one.vit_blocks for one in evaluations],
        "family": [one.family for one in evaluations],
        "chip": _chips(study, evaluations, subnets),
        "genotype": [to_text(one.genotype) for one in evaluations],
        "stages": [
            None if one is None else [stages.setdefault(stage, len(stages)) for stage in one.stages]
            for one in subnets
        ],
        "outline": [None if one is None else _outline_index(one, outlines) for one in subnets],
    }
    place = {one.index: row for row, one in enumerate(evaluations)}
    members = [place[one.index] for one in front]
    record = {
        "name": contender.name,
        "space": study.space,
        "goals": [asdict(goal) for goal in study.goals],
        "constraints": list(study.constraints),
        "created_at": study.created_at,
        "settings": study.settings,
        "fingerprint": study.fingerprint,
        "command": repeat_command(reported),
        "blocks": asdict(blocks(front)),
        "rows": rows,
        "front": members,
        "knee": members[knee(study.losses(front))] if front else None,
        "genes": _genes(study),
        "importance": gene_importance(study, evaluations),
        **_hardware(contender, [subnets[row] for row in members], members, mapped, notes),
    }
    if record["importance"] is None:
        notes.append(f"{contender.name}: too few evaluations, or none that differ, to weigh its genes")
    return record


def _space(study: Study) -> Space | None:
    try:
        return study.search_space
    except H4HError:
        return None


def _subnets(study: Study, evaluations: Sequence[Evaluation]) -> list[Subnet | None]:
    """The networks; None for a genotype that is none of the space."""
    space = _space(study)
    found: list[Subnet | None] = []
    for one in evaluations:
        try:
            found.append(None if space is None else space.decode(one.genotype))
        except H4HError:
            found.append(None)
    return found


def _chips(
    study: Study, evaluations: Sequence[Evaluation], subnets: Sequence[Subnet | None]
) -> dict[str, list[int | None]]:
    """What each network chose of its chip, by name; empty where all run on one, None where it is unknown."""
    chosen = [
        {} if subnet is None else study.chosen_hardware(one.genotype)
        for one, subnet in zip(evaluations, subnets, strict=True)
    ]
    names = study.hardware_choices if _space(study) is not None else ()
    return {name: [one.get(name) for one in chosen] for name in names}


def _outline_index(subnet: Subnet, outlines: dict[str, tuple[int, Record]]) -> int:
    record = outline(subnet)
    return outlines.setdefault(str(record), (len(outlines), record))[0]


def repeat_command(reported: Reported) -> str:
    """The command that makes the study again, as far as it has gone."""
    study = reported.contender.study
    settings = {**DEFAULTS, **study.settings, "objectives": ",".join(study.objectives)}
    options = Namespace(
        **{**settings, "constraint": list(study.constraints), "db": reported.database, "log_json": None}
    )
    return study_command(options, study.name, {"evaluations": len(reported.contender.evaluations)})


def quality_of(study: Study) -> str:
    """What the others are drawn against: the accuracy, or else the first objective."""
    return QUALITY if QUALITY in study.objectives else study.objectives[0]


def views(contenders: Sequence[Contender]) -> list[Record]:
    """Two objectives each, in the order of the studies: the accuracy, or the first, against every other.

    A study of one objective is drawn against the order of evaluation: ``x`` is None. ``lines`` holds, by
    study, the rows of the front of these two objectives alone, ascending in x.
    """
    found: dict[tuple[str | None, str], None] = {}
    for one in contenders:
        quality = quality_of(one.study)
        others = [name for name in one.study.objectives if name != quality]
        found |= dict.fromkeys((name, quality) for name in others) if others else {(None, quality): None}
    return [
        {"x": x, "y": y, "lines": [pair_front(one, x, y) if x is not None else [] for one in contenders]}
        for x, y in found
    ]


def pair_front(contender: Contender, x: str, y: str) -> list[int]:
    """Rows of the front of two objectives, ascending in `x`; none where the study lacks one of them."""
    names = contender.study.objectives
    if x not in names or y not in names:
        return []
    rows = [row for row, one in enumerate(contender.evaluations) if one.is_feasible]
    columns = [names.index(x), names.index(y)]
    losses = contender.study.losses([contender.evaluations[row] for row in rows])[:, columns]
    members = nondominated(np.ascontiguousarray(losses))
    values = {row: contender.evaluations[rows[row]].values[columns[0]] or 0.0 for row in members}
    return [rows[row] for row in sorted(members, key=lambda row: values[row])]


def _solid(contenders: Sequence[Contender]) -> tuple[str, ...] | None:
    """Objectives of the view in three dimensions; None where no study has three."""
    for one in contenders:
        names = one.study.objectives
        if len(names) >= 3:
            return SOLID if set(SOLID) <= set(names) else names[:3]
    return None


def _left_out(contenders: Sequence[Contender]) -> list[str]:
    notes = []
    if _solid(contenders) is None:
        notes.append("the view in three dimensions needs three objectives and is left out")
    names = {name for one in contenders for name in one.study.objectives}
    if not names & {"acc", "lat"}:
        notes.append("blocks against accuracy and latency need one of these objectives and are left out")
    return notes


def _genes(study: Study) -> list[Record]:
    space = _space(study)
    return [] if space is None else [asdict(gene) for gene in space.genes]


def gene_importance(study: Study, evaluations: Sequence[Evaluation]) -> Record | None:
    """The genes that say most about any objective, with their shares; None where nothing can be said."""
    space = _space(study)
    if space is None:
        return None
    found, kept = [], []
    for row, one in enumerate(evaluations):
        try:
            active = space.active(one.genotype)
        except H4HError:
            continue
        found.append([value if used else -1 for value, used in zip(one.genotype, active, strict=True)])
        kept.append(row)
    genes = np.array(found, dtype=np.int64).reshape(len(found), len(space.genes))
    values = study.losses([evaluations[row] for row in kept])
    known: list[Floats] = []
    for column in range(len(study.goals)):
        is_known = np.isfinite(values[:, column])
        known.append(importance(genes[is_known], values[is_known, column]))
    shares = np.array(known)
    if not shares.any():
        return None
    most = np.argsort(-shares.max(axis=0), kind="stable")[:SHOWN_GENES]
    return {
        "genes": [space.genes[index].name for index in most],
        "columns": [int(index) for index in most],
        "shares": {
            name: [round(float(shares[row, index]), 5) for index in most]
            for row, name in enumerate(study.objectives)
        },
        "evaluations": len(kept),
    }


class _Models:
    """The cost model of each network's own chip.

    Args:
        study: Says what the chips are.
        costs: That of the greatest chip, or of the only one.
    """

    def __init__(self, study: Study, costs: CostModel) -> None:
        self._study = study
        self._found: dict[Chip, CostModel] = {}
        self._costs = costs

    def of(self, evaluation: Evaluation) -> CostModel:
        """The model for one network."""
        if not self._study.hardware_choices:
            return self._costs
        chip = self._study.chip(evaluation.genotype)
        if chip not in self._found:
            self._found[chip] = cost_model(self._study, chip)
        return self._found[chip]


def _hardware(
    contender: Contender,
    front: Sequence[Subnet | None],
    members: Sequence[int],
    mapped: int,
    notes: list[str],
) -> Record:
    """Mappings of the front's members, by row, and what assumed numbers do to it."""
    study = contender.study
    commands = {row: next_commands(study, contender.evaluations[row]) for row in members}
    found: Record = {"mappings": {}, "sensitivity": None, "hardware": None, "next": commands}
    try:
        costs = cost_model(study)
    except H4HError as error:
        notes.append(f"mappings, energy by part and sensitivity are left out: {error}")
        return found
    soc = costs.soc if not study.hardware_choices else load_soc(str(study.settings["hardware"]))
    found["hardware"] = {"name": soc.name, "description": soc.description}
    drawn = [(row, one) for row, one in zip(members, front, strict=True) if one is not None]
    if not drawn:
        return found
    models = _Models(study, costs)
    shown = [drawn[place] for place in spread_over(len(drawn), mapped)]
    found["mappings"] = {
        row: mapping_record(subnet, models.of(contender.evaluations[row])) for row, subnet in shown
    }
    if len(shown) < len(drawn):
        # Of thousands of members, three commands each would be as large as all their numbers.
        mapped_rows = {row for row, _ in shown}
        found["next"] = {
            row: {name: text for name, text in texts.items() if row in mapped_rows or name == "profile"}
            for row, texts in commands.items()
        }
        notes.append(
            f"{contender.name}: the mapping is shown for {len(shown)} of the {len(drawn)} members of the "
            f"front, evenly spread; for the others the command that shows it"
        )
    if study.fingerprint.get("npu_model") == "vela":
        notes.append(f"{contender.name}: sensitivity is left out, since Vela would compile for each number")
        return found
    chosen = [drawn[place] for place in spread_over(len(drawn), MEMBERS)]
    socs = [models.of(contender.evaluations[row]).soc for row, _ in chosen]
    moved = shifts(study, socs, [subnet for _, subnet in chosen])
    if moved:
        rows = [row for row, _ in chosen]
        found["sensitivity"] = {"members": rows, "shifts": [asdict(one) for one in moved]}
    else:
        notes.append(
            f"{contender.name}: {costs.soc.name} has no assumed number, so nothing is sensitive to any"
        )
    return found
