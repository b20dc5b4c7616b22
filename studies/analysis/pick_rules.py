"""Rules that pick one subnet of a Pareto front: limits, weights, knee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from search_space.arrays import Floats
from search_space.errors import H4HError, UnknownNameError
from studies.analysis.front_certainty import ties, trade_text
from studies.presentation.text_table import number_text
from studies.study.accuracy_errors import ACCURACY, scoring_images, standard_errors
from studies.study.constraint import Constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Study

KNEE = "knee"
NEAR = 3
"""Number of other candidates that are named beside the knee."""


class PickError(H4HError):
    """No subnet can be picked."""


@dataclass(frozen=True)
class Pick:
    """The picked subnet.

    Attributes:
        chosen: The subnet.
        candidates: Members of the front within the limits, best in the first objective first.
        front: Number of members of the front.
        reason: Reason for the choice.
        instead: The member that preference alone picks, where a cheaper one is as accurate within its error.
        equal: Other candidates that tie with `instead` in accuracy and cost no more than it anywhere.
        near: Other candidates near the knee with the amounts by which their sums exceed that of the knee;
            empty for other preferences.
    """

    chosen: Evaluation
    candidates: tuple[Evaluation, ...]
    front: int
    reason: str
    instead: Evaluation | None = None
    equal: tuple[Evaluation, ...] = ()
    near: tuple[tuple[Evaluation, float], ...] = ()


def average_ranks(values: Floats) -> Floats:
    """Ranks (n,) from 1; equal values share the mean of theirs.

    As `scipy.stats.rankdata`, whose import takes longer than most commands.
    """
    ordered = np.sort(values)
    less, not_more = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    ranks: Floats = (less + not_more + 1) / 2
    return ranks


def shared_weights(points: Floats) -> Floats:
    """Weights (m,) of objectives by their losses (n, m): those that rise and fall together share one weight.

    An objective's weight is 1 over the sum of its positive rank correlations (Spearman) with all objectives,
    itself included. Two equal rankings get 1/2 each, unrelated or opposed ones 1 each.
    """
    ranks = np.column_stack([average_ranks(column) for column in points.T])
    centred = ranks - ranks.mean(axis=0)
    lengths = np.sqrt((centred**2).sum(axis=0))
    lengths[lengths == 0] = 1.0  # An objective that is the same everywhere is related to none.
    correlations = (centred / lengths).T @ (centred / lengths)
    np.fill_diagonal(correlations, 1.0)
    weights: Floats = 1 / correlations.clip(0, 1).sum(axis=1)
    return weights


def knee_sums(points: Floats) -> Floats:
    """Weighted sum (n,) of each row of the losses (n, m) of a front; the knee has the smallest.

    Each loss is scaled to 0 at the best and 1 at the worst point. With equal weights the knee lies farthest
    in front of the plane through the ends of the front (Das, Structural Optimization 18, 1999).
    `shared_weights` keep one quantity under two names, such as latency and energy, from counting twice.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    spread = high - low
    spread[spread == 0] = 1.0
    sums: Floats = (points - low) / spread @ shared_weights(points)
    return sums


def knee(points: Floats) -> int:
    """Row of the knee among the losses (n, m) of a front."""
    return int(knee_sums(points).argmin())


def pick(study: Study, evaluations: Sequence[Evaluation], limits: Sequence[Constraint], prefer: str) -> Pick:
    """Picks one member of the front within `limits`.

    Args:
        study: The study.
        evaluations: All evaluations of the study.
        limits: Limits on quantities that the study stores.
        prefer: `KNEE`, or an objective of the study.

    Raises:
        UnknownNameError: `prefer` is neither.
        PickError: The study does not store a limited quantity, or no member is within the limits.
    """
    if prefer not in (KNEE, *study.objectives):
        raise UnknownNameError("preference", prefer, (KNEE, *study.objectives))
    front = study.front(evaluations)
    if not front:
        raise PickError(
            f"study {study.name!r} has no feasible subnet to pick: continue it, or relax its constraints"
        )
    candidates = front
    for limit in limits:
        within = [
            evaluation
            for evaluation in candidates
            if limit.violation(_quantity(study, evaluation, limit.quantity)) <= 0
        ]
        if not within:
            values = [_quantity(study, evaluation, limit.quantity) for evaluation in candidates]
            nearest = min(values) if limit.operator == "<=" else max(values)
            which = "least" if limit.operator == "<=" else "most"
            raise PickError(
                f"no member of the front satisfies {limit}{_others(limits, limit)}: the {which} "
                f"{limit.quantity} is {nearest:.4g}{limit.unit}; relax the limit, or start a search with "
                f"--constraint '{limit}'"
            )
        candidates = within
    points = study.losses(candidates)
    near: tuple[tuple[Evaluation, float], ...] = ()
    if prefer == KNEE:
        sums = knee_sums(points)
        row, *others = np.argsort(sums, kind="stable")[: NEAR + 1].tolist()
        near = tuple((candidates[other], float(sums[other] - sums[row])) for other in others)
        reason = (
            f"least sum of {_weighted(study.objectives, shared_weights(points))}, each scaled to its range"
        )
    else:
        row = int(points[:, study.objectives.index(prefer)].argmin())
        reason = f"best {prefer} among them"
    choice = _cheapest_tie(study, Pick(candidates[row], tuple(candidates), len(front), reason, near=near))
    return replace(choice, near=tuple(pair for pair in choice.near if pair[0] is not choice.chosen))


def _weighted(names: Sequence[str], weights: Floats) -> str:
    """Objectives with the weights that are not 1, for a reason: ``acc, 0.50 lat, 0.50 energy``."""
    texts = [f"{weight:.2f}" for weight in weights]
    return ", ".join(
        name if text == "1.00" else f"{text} {name}" for name, text in zip(names, texts, strict=True)
    )


def _cheapest_tie(study: Study, choice: Pick) -> Pick:
    """The choice, or the cheapest candidate that ties with it in accuracy and costs no more anywhere."""
    images = scoring_images(study)
    if ACCURACY not in study.objectives or images is None:
        return choice
    column = study.objectives.index(ACCURACY)
    others = [row for row in choice.candidates if row is not choice.chosen]
    rows = [choice.chosen, *others]
    accuracies = -study.losses(rows)[:, column]
    errors = standard_errors(accuracies, images)
    costs = np.delete(study.scaled_losses(rows), column, axis=1)
    tied = [
        place
        for place in range(1, len(rows))
        if ties(float(accuracies[0] - accuracies[place]), float(errors[0]), float(errors[place]))
        and (costs[place] <= costs[0]).all()
        and (costs[place] < costs[0]).any()
    ]
    if not tied:
        return choice
    cheapest = min(tied, key=lambda place: float(costs[place].sum()))
    trade = trade_text(study, choice.chosen, rows[cheapest], images)
    return replace(
        choice,
        chosen=rows[cheapest],
        reason=f"{choice.reason} is id {choice.chosen.index}, but its accuracy ties: it has {trade}",
        instead=choice.chosen,
        equal=tuple(rows[place] for place in tied if place != cheapest),
    )


def _others(limits: Sequence[Constraint], limit: Constraint) -> str:
    before = [str(earlier) for earlier in limits[: list(limits).index(limit)]]
    return f" together with {', '.join(before)}" if before else ""


def _quantity(study: Study, evaluation: Evaluation, name: str) -> float:
    """The stored value of a quantity.

    Raises:
        PickError: The study stores no quantity of this name.
    """
    quantities = [limit.quantity for limit in study.limits]
    known = dict(zip(quantities, evaluation.limited, strict=True))
    known |= dict(zip(study.objectives, evaluation.values, strict=True))
    if study.knows_networks:
        known |= {"macs": float(evaluation.macs), "params": float(evaluation.params)}
    value = known.get(name)
    if value is None:
        raise PickError(
            f"study {study.name!r} does not store {name}: limit one of {', '.join(known)}, or run a study "
            f"with {name} among its --objectives"
        )
    return value


def given_up(study: Study, choice: Pick) -> list[str]:
    """One line for each objective in which another candidate is better: its value and the price in others."""
    texts = []
    points = study.losses(choice.candidates)
    for column, goal in enumerate(study.goals):
        best = choice.candidates[int(points[:, column].argmin())]
        if best.values[column] == choice.chosen.values[column]:
            continue
        others = [
            f"{other.name} {number_text(best.values[place], other.unit)} {other.unit}"
            for place, other in enumerate(study.goals)
            if place != column
        ]
        value = f"{number_text(best.values[column], goal.unit)} {goal.unit}"
        rest = f" ({', '.join(others)})" if others else ""
        texts.append(f"best {goal.name} would be id {best.index}: {value}{rest}")
    return texts
