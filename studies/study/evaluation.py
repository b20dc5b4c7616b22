"""Evaluation: values, constraints and counts of one subnet in one study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.study.constraint import Constraint


@dataclass(frozen=True)
class Evaluation:
    """One row of a study. It does not depend on when, where or with which others it was measured.

    Example:
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=4, generations=1)
        >>> first = run_study(settings, database="studies.db").measured[0]
        >>> first.index, first.family, first.is_feasible, first.values[0] == first.macs
        (0, 'cnn', True, True)

    Attributes:
        index: Position in the order of evaluation, from 0; identifies the subnet within the study.
        genotype: Canonical genotype.
        values: One per objective of the study, in their order and units; None if it was not measured because
            the subnet was infeasible.
        limited: The quantity of each constraint of the study; None if it was not measured.
        is_feasible: Whether every constraint holds.
        macs: Multiply-accumulates.
        params: Parameters.
        conv_blocks: Number of MBConv blocks.
        vit_blocks: Number of transformer blocks.
        family: Pattern of blocks, see `search_space.families`.
        stopped_after: Number of images after which racing stopped scoring it. Its accuracy is then an upper
            bound, at the confidence that `studies.search.racing` states. None if all values are exact.
    """

    index: int
    genotype: Genotype
    values: tuple[float | None, ...]
    limited: tuple[float | None, ...]
    is_feasible: bool
    macs: int
    params: int
    conv_blocks: int
    vit_blocks: int
    family: str
    stopped_after: int | None = None

    @property
    def is_bound(self) -> bool:
        """Whether its accuracy is only an upper bound. Such a subnet is never on a front."""
        return self.stopped_after is not None


def violations(evaluations: Sequence[Evaluation], constraints: Sequence[Constraint]) -> Floats:
    """Violation of each constraint by each evaluation, shape (n, k); at most 0 if the constraint holds."""
    rows = [
        [constraint.violation(value) for constraint, value in zip(constraints, row.limited, strict=True)]
        for row in evaluations
    ]
    return np.array(rows, dtype=np.float64).reshape(len(evaluations), len(constraints))
