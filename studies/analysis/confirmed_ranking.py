"""Ranking of a front by new images: paired differences to the best, ties, and correlation of outcomes.

All members are scored on the same images, so two networks err on the same hard ones. The standard error of a
difference of accuracies is therefore that of the mean of n paired differences, right minus right, each -1, 0
or 1. It is smaller than that of two independent accuracies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from search_space.arrays import Floats
from studies.analysis.front_certainty import TIED
from studies.analysis.held_out_scores import HeldOutScore


@dataclass(frozen=True)
class Ranked:
    """A member of a front, ranked by new images.

    Attributes:
        score: Its score on them.
        behind: Points by which it is behind the most accurate member.
        error: Standard error of `behind`, paired by image.
        tie: Number of the group of members that the images cannot tell from its first one, from 1.
    """

    score: HeldOutScore
    behind: float
    error: float
    tie: int


def ranked(scores: Sequence[HeldOutScore]) -> list[Ranked]:
    """The scores, most accurate on the new images first."""
    order = sorted(scores, key=lambda score: (-score.test, score.evaluation.index))
    first, tie, rows = order[0], 1, []
    for score in order:
        if is_behind(first, score):
            first, tie = score, tie + 1
        behind, error = difference(order[0], score)
        rows.append(Ranked(score, behind, error, tie))
    return rows


def difference(first: HeldOutScore, second: HeldOutScore) -> tuple[float, float]:
    """Points by which `first` is ahead of `second`, and their standard error, paired by image."""
    paired = first.outcomes.astype(np.float64) - second.outcomes
    return 100 * float(paired.mean()), 100 * float(paired.std() / np.sqrt(len(paired)))


def is_behind(first: HeldOutScore, second: HeldOutScore) -> bool:
    """Whether `second` is less accurate than `first` beyond the noise of these images."""
    ahead, error = difference(first, second)
    return ahead > 0 and ahead >= TIED * error


def outcome_correlation(scores: Sequence[HeldOutScore]) -> float | None:
    """Median correlation of the outcomes of two networks on an image; None without two that vary."""
    different: dict[bytes, Floats] = {}
    for score in scores:
        if 0 < score.right < score.images:
            different.setdefault(score.outcomes.tobytes(), score.outcomes.astype(np.float64))
    pairs = [float(np.corrcoef(first, second)[0, 1]) for first, second in combinations(different.values(), 2)]
    return float(np.median(pairs)) if pairs else None
