"""Certainty of a front: standard errors of accuracies, chance of each member to be on it, and ties.

An accuracy is a mean over a limited number of images, so a network may stand on the front by luck. Costs are
exact. The chance of a member is the share of 400 draws in which no other network dominates it, when every
accuracy varies by its standard error. Two accuracies tie if they differ by less than 1.96 standard errors of
their difference.

All networks see the same images, so part of their luck is the same and cancels (`accuracy_errors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype
from studies.study.accuracy_errors import (
    ACCURACY,
    SHARED_LUCK,
    difference_error,
    scoring_images,
    standard_errors,
)
from studies.study.evaluation import Evaluation
from studies.study.study import Study

DRAWS = 400
RIVALS = 64
"""Networks that are considered as dominating a member: the most accurate ones that cost no more."""
TIED = 1.96
"""Standard errors of a difference up to which two accuracies tie."""
_SEED = 0


@dataclass(frozen=True)
class FrontCertainty:
    """Certainty of the members of a front, in their order.

    Attributes:
        members: The members, best in the first objective first.
        errors: Standard error of each accuracy in points.
        chances: Chance of each member to be on the front, 0 to 1.
        groups: Number of the tie that each member belongs to, from 1, the most accurate one.
    """

    members: tuple[Evaluation, ...]
    errors: tuple[float, ...]
    chances: tuple[float, ...]
    groups: tuple[int, ...]

    def columns(self) -> dict[str, list[str]]:
        """Columns of a table, by title."""
        return {
            "±": [f"{error:.2f}" for error in self.errors],
            "on front": [f"{chance:.0%}" for chance in self.chances],
            "tie": [str(group) for group in self.groups],
        }

    def record(self, row: int) -> dict[str, float]:
        """The numbers of one member, by name."""
        return {
            "acc_error": self.errors[row],
            "on_front_probability": self.chances[row],
            "tie": self.groups[row],
        }


def front_certainty(
    study: Study, evaluations: Sequence[Evaluation], front: Sequence[Evaluation]
) -> FrontCertainty | None:
    """Certainty of a front; None if the study has no accuracies, or not their number of images.

    Args:
        study: The study.
        evaluations: All its evaluations.
        front: Its front.
    """
    images = scoring_images(study)
    if ACCURACY not in study.objectives or images is None or not front:
        return None
    column = study.objectives.index(ACCURACY)
    feasible = [row for row in evaluations if row.is_feasible and not row.is_bound]
    values = np.array([row.values for row in feasible], dtype=np.float64)
    errors = standard_errors(values[:, column], images)
    costs = np.delete(study.losses(feasible), column, axis=1)
    place_of = {row.index: place for place, row in enumerate(feasible)}
    members = [place_of[member.index] for member in front]
    networks = [study.network(row.genotype) for row in feasible]
    chances = _chances(members, values[:, column], errors, costs, networks)
    own = [float(errors[place]) for place in members]
    accuracies = [float(values[place, column]) for place in members]
    return FrontCertainty(tuple(front), tuple(own), tuple(chances), tuple(_ties(accuracies, own)))


def _chances(
    members: Sequence[int],
    accuracies: Floats,
    errors: Floats,
    costs: Floats,
    networks: Sequence[Genotype],
) -> list[float]:
    rng = np.random.default_rng(_SEED)
    draws: dict[Genotype, Floats] = {}

    def drawn(place: int) -> Floats:
        """Possible accuracies of a network under any mapping, without the luck that all networks share."""
        if networks[place] not in draws:
            draws[networks[place]] = rng.standard_normal(DRAWS)
        possible: Floats = accuracies[place] + sqrt(1 - SHARED_LUCK) * errors[place] * draws[networks[place]]
        return possible

    chances = []
    for member in members:
        no_worse = (costs <= costs[member]).all(axis=1)
        no_worse[member] = False
        rivals = np.flatnonzero(no_worse)
        rivals = rivals[np.argsort(-accuracies[rivals], kind="stable")][:RIVALS]
        own, is_free = drawn(member), np.ones(DRAWS, dtype=np.bool_)
        for rival in rivals.tolist():
            other = drawn(rival)
            is_cheaper = bool((costs[rival] < costs[member]).any())
            is_free &= (other < own) | ((other == own) & (not is_cheaper))
        chances.append(float(is_free.mean()))
    return chances


def _ties(accuracies: Sequence[float], errors: Sequence[float]) -> list[int]:
    """Group of each accuracy; a group begins with its most accurate member."""
    order = sorted(range(len(accuracies)), key=lambda row: -accuracies[row])
    groups = [0] * len(accuracies)
    first, group = order[0], 1
    for row in order:
        if not ties(accuracies[first] - accuracies[row], errors[first], errors[row]):
            first, group = row, group + 1
        groups[row] = group
    return groups


def ties(difference: float, first_error: float, second_error: float) -> bool:
    """Whether two accuracies cannot be told apart, from their difference and standard errors in points."""
    return abs(difference) < TIED * difference_error(first_error, second_error)


def trade_text(study: Study, better: Evaluation, cheaper: Evaluation, images: int) -> str:
    """What the more accurate of two networks costs, and what it gains.

    E.g. ``3 ViT blocks more, 3.5 x the lat, 2.9 x the energy for +0.40 ± 0.80 points``.
    """
    column = study.objectives.index(ACCURACY)
    accuracies = np.array([[row.values[column] for row in (better, cheaper)]], dtype=np.float64)[0]
    error = difference_error(*standard_errors(accuracies, images).tolist())
    parts = []
    if study.knows_networks and (vit := better.vit_blocks - cheaper.vit_blocks):
        noun = "ViT block" if abs(vit) == 1 else "ViT blocks"
        parts.append(f"{abs(vit)} {noun} {'more' if vit > 0 else 'fewer'}")
    for goal, more, less in zip(study.goals, better.values, cheaper.values, strict=True):
        if goal.name != ACCURACY and more is not None and less and more != less:
            parts.append(f"{more / less:.2g} x the {goal.name}")
    gained = float(accuracies[0] - accuracies[1])
    return f"{', '.join(parts) or 'equal costs'} for {gained:+.2f} ± {error:.2f} points"


def tie_lines(study: Study, certainty: FrontCertainty, *, most: int) -> list[str]:
    """One line for each tie of different networks: its best member against its cheapest, up to `most`."""
    images = scoring_images(study)
    assert images is not None, "a front without errors has no certainty"
    losses = study.scaled_losses(certainty.members)
    costs = np.delete(losses, study.objectives.index(ACCURACY), axis=1).sum(axis=1)
    lines = []
    for group in dict.fromkeys(certainty.groups):
        rows = [row for row, number in enumerate(certainty.groups) if number == group]
        best, cheapest = rows[0], min(rows, key=lambda row: costs[row])
        better, cheaper = certainty.members[best], certainty.members[cheapest]
        if study.network(better.genotype) != study.network(cheaper.genotype):
            lines.append(
                f"tie {group} of {len(rows)}: id {better.index} against id {cheaper.index} has "
                f"{trade_text(study, better, cheaper, images)}"
            )
    return lines[:most]
