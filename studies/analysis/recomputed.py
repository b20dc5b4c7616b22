"""Recomputation: compare the stored values of a study with what its cheap objectives give now."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.hardware import MAPPINGS
from objectives.objective import Objective
from objectives.registry import ObjectiveContext, registered_objectives
from search_space.errors import H4HError
from search_space.families import Family
from search_space.family_distance import FAMILY
from search_space.genotype import to_text
from studies.analysis.assumed_numbers import chips_of
from studies.search.candidate import Candidate, candidates
from studies.search.evaluator import TOLERANCE, measure
from studies.study.evaluation import Evaluation, violations
from studies.study.fingerprint import part_of
from studies.study.quantity_units import BLOCK_COUNTS
from studies.study.study import Study

_AT_A_TIME = 1000


@dataclass(frozen=True)
class Recomputation:
    """Outcome of recomputing a study.

    Attributes:
        compared: Quantities that were recomputed, sizes and block counts aside.
        skipped: Reason for each quantity that was not recomputed.
        differences: One line for each stored value that differs.
    """

    compared: tuple[str, ...]
    skipped: dict[str, str]
    differences: tuple[str, ...]


def recomputed(study: Study, evaluations: Sequence[Evaluation]) -> Recomputation:
    """Recomputes every value of a study that needs neither weights nor images.

    Sizes, block counts, families and feasibility are always compared.

    Raises:
        H4HError: The stored search space cannot be read.
    """
    objectives, skipped = _cheap(study)
    differences: list[str] = []
    for start in range(0, len(evaluations), _AT_A_TIME):
        differences += _differences(study, objectives, evaluations[start : start + _AT_A_TIME])
    return Recomputation(tuple(objective.name for objective in objectives), skipped, tuple(differences))


def _cheap(study: Study) -> tuple[list[Objective], dict[str, str]]:
    """The cheap objectives of a study, and why each other one is left out."""
    objectives: list[Objective] = []
    skipped: dict[str, str] = {}
    known = registered_objectives() if study.knows_networks else {}
    for name in dict.fromkeys(study.quantities):
        if name in BLOCK_COUNTS or name.startswith(FAMILY):
            continue
        if name not in known:
            skipped[name] = "an objective of your own, or of a table"
        elif known[name].declaration.is_expensive:
            skipped[name] = "needs weights and images"
        else:
            try:
                objective = known[name].create(
                    _context(study, needs_chip=isinstance(known[name].source, type))
                )
            except H4HError as error:
                skipped[name] = str(error)
                continue
            changed = [
                key
                for key, value in objective.fingerprint().items()
                if key != "hardware" and part_of(study.fingerprint, name, key) != value
            ]
            if changed:
                skipped[name] = f"stored with another {' and '.join(changed)}"
            else:
                objectives.append(objective)
    return objectives, skipped


def _context(study: Study, *, needs_chip: bool) -> ObjectiveContext:
    if not needs_chip:
        from objectives.hardware import load_soc

        return ObjectiveContext(load_soc("u55-256"))  # Sizes do not look at it.
    chips = chips_of(study)
    return ObjectiveContext(
        chips.greatest.soc,
        mapping=chips.given.mapping or MAPPINGS[0],
        npu_model=chips.npu_model,
        spill=chips.spill,
        chips=chips.soc,
        greatest=chips.choices.greatest,
    )


def _differences(
    study: Study, objectives: Sequence[Objective], evaluations: Sequence[Evaluation]
) -> Iterator[str]:
    decoded: list[Candidate] = []
    rows: list[Evaluation] = []
    for evaluation in evaluations:
        try:
            decoded += candidates(study.search_space, {evaluation.index: evaluation.genotype})
        except H4HError as error:
            yield f"evaluation {evaluation.index}: {error}"
        else:
            rows.append(evaluation)
    values = {each.name: measure(each, study.search_space, decoded) for each in objectives}
    are_feasible: list[bool] = np.all(violations(rows, study.limits) <= 0, axis=1).tolist()
    for place, (evaluation, candidate) in enumerate(zip(rows, decoded, strict=True)):
        counts = candidate.counts
        now = {name: column[place] for name, column in values.items()} | candidate.values
        stored = zip(study.quantities, (*evaluation.values, *evaluation.limited), strict=True)
        pairs: list[tuple[str, object, object]] = [
            (name, value, now[name]) for name, value in stored if name in now and value is not None
        ]
        pairs += [
            ("macs", evaluation.macs, counts.macs),
            ("params", evaluation.params, counts.params),
            ("conv_blocks", evaluation.conv_blocks, counts.conv_blocks),
            ("vit_blocks", evaluation.vit_blocks, counts.vit_blocks),
            ("family", _family(evaluation), counts.family),
            ("is_feasible", evaluation.is_feasible, are_feasible[place]),
        ]
        for name, value, current in pairs:
            if not _agree(value, current):
                yield (
                    f"evaluation {evaluation.index} ({to_text(evaluation.genotype)}): {name} is stored as "
                    f"{value}, but is {current}"
                )


def _family(evaluation: Evaluation) -> str:
    """The stored family. Earlier versions stored networks without blocks as CNN."""
    has_blocks = evaluation.conv_blocks or evaluation.vit_blocks
    return str(Family.NONE) if evaluation.family == Family.CNN and not has_blocks else evaluation.family


def _agree(stored: object, current: object) -> bool:
    if isinstance(stored, float) and isinstance(current, float):
        return math.isclose(stored, current, rel_tol=TOLERANCE, abs_tol=0.0)
    return stored == current
