"""Evaluations: what one subnet's objective values are in one study, and how they are measured.

Cheap objectives and constraints come first, for a whole generation at once. An expensive objective (the
accuracy) is measured only for subnets that the cheap ones left feasible and no study of the database has
measured before, in groups of some seconds of work, so that little is lost when a study is stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from search_space.genotype import Genotype
from studies.study.constraint import Constraint

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Evaluation:
    """One row of a study. Holds nothing that depends on when, where or with what others it was measured.

    Attributes:
        index: Place in the order of evaluation, from 0; names the subnet within the study.
        genotype: Canonical.
        values: One per objective of the study, in their order and units; None where it was not measured
            because the subnet had been found infeasible.
        limited: The quantity of each constraint of the study; None where it was not measured.
        is_feasible: Whether every constraint holds.
        macs: Multiply-accumulates.
        params: Parameters.
        conv_blocks: Number of MBConv blocks.
        vit_blocks: Number of transformer blocks.
        family: Pattern of blocks, see `search_space.families`.
        stopped_after: Images after which racing stopped scoring it: its accuracy is an upper bound, at the
            confidence that `racing.py` states. None where all values are exact.
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
        """Whether its accuracy is an upper bound only. Such a subnet is never on a front."""
        return self.stopped_after is not None


def violations(evaluations: Sequence[Evaluation], constraints: Sequence[Constraint]) -> NDArray[np.float64]:
    """Shape (n, k): how far each evaluation breaks each constraint; at most 0 where it holds."""
    rows = [
        [constraint.violation(value) for constraint, value in zip(constraints, row.limited, strict=True)]
        for row in evaluations
    ]
    return np.array(rows, dtype=np.float64).reshape(len(evaluations), len(constraints))
