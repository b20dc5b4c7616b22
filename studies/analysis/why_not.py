"""Why no network satisfies the limits of a study: how near each limit came to being reached, what to relax.

The answer rests on the evaluations of the study. Where a limit is beyond all networks of the space, the
header of the run has said so (`studies.launch.limit_range`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np

from studies.study.constraint import Constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Study


@dataclass(frozen=True)
class LimitReach:
    """How near the evaluations of a study came to one of its limits.

    Attributes:
        limit: The limit.
        reached: The value nearest to satisfying it, or beyond, in the unit of the limit; None if no
            evaluation measured it.
        satisfied: Number of evaluations that satisfy it.
        measured: Number of evaluations that measured it.
    """

    limit: Constraint
    reached: float | None
    satisfied: int
    measured: int

    @property
    def gap(self) -> float | None:
        """Distance from the limit to the value reached, at least 0, in the unit of the limit."""
        if self.reached is None:
            return None
        excess = self.reached - self.limit.bound
        return max(excess if self.limit.operator == "<=" else -excess, 0.0)


@dataclass(frozen=True)
class Relaxation:
    """Limits that would admit one evaluated network.

    Attributes:
        evaluation: The network.
        limits: The limits that it breaks, each with the bound that it needs, in four digits.
    """

    evaluation: Evaluation
    limits: tuple[Constraint, ...]


@dataclass(frozen=True)
class WhyNot:
    """The answer for a study without a feasible network.

    Attributes:
        reaches: One for each limit of the study, in order.
        binding: The limit that fewest evaluations satisfy.
        nearest: The network whose largest violation, as a share of the limit, is smallest, with the limits
            that would admit it; None if no evaluation measured all limits.
    """

    reaches: tuple[LimitReach, ...]
    binding: LimitReach
    nearest: Relaxation | None


def why_not(study: Study, evaluations: Sequence[Evaluation]) -> WhyNot | None:
    """Why `study` has no feasible network; None if it has one, or no limits, or no evaluations."""
    if not study.limits or not evaluations or any(evaluation.is_feasible for evaluation in evaluations):
        return None
    reaches = tuple(
        _reach(limit, [evaluation.limited[column] for evaluation in evaluations])
        for column, limit in enumerate(study.limits)
    )
    return WhyNot(reaches, min(reaches, key=lambda reach: reach.satisfied), _nearest(study, evaluations))


def why_not_lines(answer: WhyNot) -> list[str]:
    """The answer as lines of text."""
    lines = ["no network satisfies all limits:"]
    for reach in answer.reaches:
        limit = reach.limit
        if reach.reached is None:
            lines.append(f"  {limit.short_text}: measured for no network, because all break another limit")
            continue
        holds = f"{reach.satisfied} of {reach.measured} networks satisfy it"
        best = f"nearest value {limit.amount_text(reach.reached)}"
        if reach.gap:
            best += f", short by {limit.amount_text(reach.gap)}"
        lines.append(f"  {limit.short_text}: {holds}, {best}")
    if len(answer.reaches) > 1:
        lines.append(f"  {answer.binding.limit.short_text} binds first")
    if answer.nearest is not None:
        relaxed = " and ".join(map(str, answer.nearest.limits))
        lines.append(f"  nearest network: id {answer.nearest.evaluation.index}; {relaxed} would admit it")
    return lines


def why_not_record(answer: WhyNot) -> dict[str, object]:
    """The answer in JSON form."""
    return {
        "limits": [
            {
                "limit": str(reach.limit),
                "demand": reach.limit.bound,
                "reached": reach.reached,
                "gap": reach.gap,
                "unit": reach.limit.unit,
                "satisfied": reach.satisfied,
                "measured": reach.measured,
            }
            for reach in answer.reaches
        ],
        "binds_first": str(answer.binding.limit),
        "nearest": None
        if answer.nearest is None
        else {
            "id": answer.nearest.evaluation.index,
            "admitted_by": list(map(str, answer.nearest.limits)),
        },
    }


def _reach(limit: Constraint, values: Sequence[float | None]) -> LimitReach:
    known = [value for value in values if value is not None]
    best = min(known, key=limit.violation, default=None)
    return LimitReach(limit, best, sum(limit.violation(value) <= 0 for value in known), len(known))


def _nearest(study: Study, evaluations: Sequence[Evaluation]) -> Relaxation | None:
    complete = [evaluation for evaluation in evaluations if None not in evaluation.limited]
    if not complete:
        return None
    worst = study.violations(complete).max(axis=1)
    nearest = complete[int(np.argmin(worst))]
    values = dict(zip(study.limits, nearest.limited, strict=True))
    limits = tuple(
        Constraint(
            limit.quantity, limit.operator, _rounded(float(values[limit] or 0.0), limit.operator), limit.unit
        )
        for limit in study.broken(nearest)
    )
    return Relaxation(nearest, limits)


def _rounded(bound: float, operator: str) -> float:
    """`bound` with four significant digits, rounded so that the limit admits no less."""
    exact = Decimal(repr(bound))
    step = Decimal(1).scaleb(exact.adjusted() - 3)
    return float(exact.quantize(step, rounding=ROUND_CEILING if operator == "<=" else ROUND_FLOOR))
