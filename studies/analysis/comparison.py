"""Comparison of two studies: hypervolume, coverage, the paper's measures, and the blocks of their fronts.

Studies are compared by the objectives that they share. Their hypervolumes use one box, from the best of their
ideal points to the worst of their reference points. Notes name the differences between the studies and the
comparisons that are not possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.families import Family
from studies.analysis.outside_bounds import outside_bounds
from studies.analysis.tradeoff import Gain, Tradeoff, cost_saved, quality_gained, tradeoff
from studies.design_space.chip_choices import HARDWARE
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import SEARCH_HARDWARE, short
from studies.study.study import Goal, Study

QUALITY, COSTS = "acc", ("lat", "energy")
DECIDING = {
    "hardware_digest": "hardware",
    "area_digest": "areas",
    SEARCH_HARDWARE: "choices of hardware",
    "mapping": "mappings",
    "npu_model": "models of the NPU",
    "checkpoint": "weights",
    "images": "images",
    "val_images": "numbers of images",
    "calibration_images": "numbers of calibration images",
    "precision": "number formats",
}
"""Parts of the fingerprint that values of objectives depend on, with their nouns in the notes."""


class ComparisonError(H4HError):
    """Studies without a common objective."""


@dataclass(frozen=True)
class Contender:
    """A study in a comparison.

    Attributes:
        name: Name that the user gave.
        study: The study.
        evaluations: All evaluations of the study, in order.
    """

    name: str
    study: Study
    evaluations: tuple[Evaluation, ...]

    @property
    def front(self) -> list[Evaluation]:
        """Members of its Pareto front."""
        return self.study.front(self.evaluations)

    def hypervolume(self, evaluations: int | None = None) -> float:
        """Hypervolume of the front of the first `evaluations`; of all evaluations by default."""
        return self.study.hypervolume(self.evaluations[:evaluations])


@dataclass(frozen=True)
class CountRange:
    """A count over the members of a front."""

    mean: float
    min: int
    max: int


@dataclass(frozen=True)
class Blocks:
    """Numbers of blocks, and families, of the members of a front.

    Attributes:
        conv: MBConv blocks of a member.
        vit: ViT blocks of a member.
        vit_per_10_conv: ViT blocks per 10 MBConv blocks over the whole front; None without MBConv blocks.
        families: Share of the members in each family, 0 to 1.
    """

    conv: CountRange | None
    vit: CountRange | None
    vit_per_10_conv: float | None
    families: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Study `b` against study `a`. Gains are positive where `b` is better.

    Attributes:
        a, b: Names of the studies.
        objectives: Names of the common objectives.
        evaluations: Number of evaluations that the hypervolumes cover: that of the smaller study.
        hypervolume_a, hypervolume_b: Hypervolumes after so many evaluations, 0 to 1, in the common box.
        coverage_ab: Share of the front of `b` that some member of the front of `a` equals or dominates
            (two-set coverage, Zitzler & Thiele 1999); None for an empty front.
        coverage_ba: The other way round.
        acc_at_equal_lat, acc_at_equal_energy: Accuracy gained, in percentage points; None if the fronts share
            no range.
        lat_at_equal_acc, energy_at_equal_acc: Latency and energy saved, in %; None likewise.
        notes: Differences between the studies, and comparisons that are not possible.
    """

    a: str
    b: str
    objectives: tuple[str, ...]
    evaluations: int
    hypervolume_a: float
    hypervolume_b: float
    coverage_ab: float | None
    coverage_ba: float | None
    acc_at_equal_lat: Gain | None
    acc_at_equal_energy: Gain | None
    lat_at_equal_acc: Gain | None
    energy_at_equal_acc: Gain | None
    notes: tuple[str, ...]


def blocks(front: Sequence[Evaluation]) -> Blocks:
    """Numbers of blocks and families of `front`."""
    conv, vit = ([getattr(member, name) for member in front] for name in ("conv_blocks", "vit_blocks"))
    counts = Counter(member.family for member in front)
    return Blocks(
        conv=_range_of(conv),
        vit=_range_of(vit),
        vit_per_10_conv=10 * sum(vit) / sum(conv) if sum(conv) else None,
        families={family: counts[family] / len(front) if front else 0.0 for family in Family},
    )


def _range_of(counts: Sequence[int]) -> CountRange | None:
    return CountRange(sum(counts) / len(counts), min(counts), max(counts)) if counts else None


def aligned(contenders: Sequence[Contender]) -> list[Contender]:
    """The same studies, reduced to their common objectives and given one box.

    Raises:
        ComparisonError: The studies have no common objective.
    """
    goals = [
        goal
        for goal in contenders[0].study.goals
        if all(goal in contender.study.goals for contender in contenders)
    ]
    if not goals:
        named = "; ".join(
            f"{contender.name}: {', '.join(map(_text, contender.study.goals))}" for contender in contenders
        )
        raise ComparisonError(
            f"the studies have no objective in common ({named}): choose studies that share one"
        )
    ideals, references = (
        np.array([[_bound(contender.study, goal, bound) for goal in goals] for contender in contenders])
        for bound in ("ideal", "reference")
    )
    is_max = np.array([goal.direction == "max" for goal in goals])
    ideal = np.where(is_max, ideals.max(axis=0), ideals.min(axis=0))
    reference = np.where(is_max, references.min(axis=0), references.max(axis=0))
    return [
        _reduced(contender, goals, tuple(map(float, ideal)), tuple(map(float, reference)))
        for contender in contenders
    ]


def _bound(study: Study, goal: Goal, bound: str) -> float:
    value: float = getattr(study, bound)[study.goals.index(goal)]
    return value


def _reduced(
    contender: Contender, goals: Sequence[Goal], ideal: tuple[float, ...], reference: tuple[float, ...]
) -> Contender:
    columns = [contender.study.goals.index(goal) for goal in goals]
    study = replace(contender.study, goals=tuple(goals), ideal=ideal, reference=reference)
    rows = (
        replace(evaluation, values=tuple(evaluation.values[column] for column in columns))
        for evaluation in contender.evaluations
    )
    return Contender(contender.name, study, tuple(rows))


def compare(first: Contender, second: Contender) -> Pair:
    """Compares study `second` with study `first`.

    Raises:
        ComparisonError: The studies have no common objective.
    """
    a, b = aligned([first, second])
    count = min(len(a.evaluations), len(b.evaluations))
    curves = [{cost: _curve(contender, cost) for cost in COSTS} for contender in (a, b)]
    gains = {cost: _gains(curves[0][cost], curves[1][cost]) for cost in COSTS}
    return Pair(
        a=first.name,
        b=second.name,
        objectives=a.study.objectives,
        evaluations=count,
        hypervolume_a=a.hypervolume(count),
        hypervolume_b=b.hypervolume(count),
        coverage_ab=coverage(a, b),
        coverage_ba=coverage(b, a),
        acc_at_equal_lat=gains["lat"][0],
        acc_at_equal_energy=gains["energy"][0],
        lat_at_equal_acc=gains["lat"][1],
        energy_at_equal_acc=gains["energy"][1],
        notes=(
            *_notes(first, second, a, curves),
            *(
                f"{contender.name}: {line}"
                for contender in (a, b)
                for line in outside_bounds(contender.study, contender.evaluations)
            ),
        ),
    )


def coverage(first: Contender, second: Contender) -> float | None:
    """Share of the front of `second` that members of the front of `first` equal or dominate."""
    covering, covered = (contender.study.losses(contender.front) for contender in (first, second))
    if len(covered) == 0:
        return None
    dominated = (covering[:, None, :] <= covered[None, :, :]).all(axis=2).any(axis=0)
    return float(dominated.mean())


def _curve(contender: Contender, cost: str) -> Tradeoff | None:
    """Trade-off of accuracy and `cost`; None if the study lacks one of them."""
    names = contender.study.objectives
    if QUALITY not in names or cost not in names:
        return None
    rows = [
        evaluation.values
        for evaluation in contender.evaluations
        if evaluation.is_feasible and not evaluation.is_bound
    ]
    values: Floats = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    return tradeoff(values[:, names.index(cost)], values[:, names.index(QUALITY)])


def _gains(first: Tradeoff | None, second: Tradeoff | None) -> tuple[Gain | None, Gain | None]:
    """Accuracy gained at equal cost, cost saved at equal accuracy."""
    if first is None or second is None:
        return None, None
    return quality_gained(first, second), cost_saved(first, second)


def _notes(
    first: Contender, second: Contender, common: Contender, curves: Sequence[dict[str, Tradeoff | None]]
) -> list[str]:
    notes = []
    left_out = [
        f"{_text(goal)} of {contender.name}"
        for contender in (first, second)
        for goal in contender.study.goals
        if goal not in common.study.goals
    ]
    if left_out:
        notes.append(f"not in both and left out: {', '.join(left_out)}")
    definitions = [
        {key: value for key, value in contender.study.space_definition.items() if key != HARDWARE}
        for contender in (first, second)
    ]
    if definitions[0] != definitions[1]:
        notes.append(f"different spaces: {first.study.space} and {second.study.space}")
    if first.study.constraints != second.study.constraints:
        texts = (", ".join(contender.study.constraints) or "none" for contender in (first, second))
        notes.append(f"different constraints: {' and '.join(texts)}")
    for key, noun in DECIDING.items():
        parts = [contender.study.fingerprint.get(key, "none") for contender in (first, second)]
        if parts[0] != parts[1]:
            notes.append(f"different {noun}: {' and '.join(map(short, parts))}")
    if first.study.ideal != second.study.ideal or first.study.reference != second.study.reference:
        notes.append("different bounds of the hypervolume: both are taken in the box around both")
    for contender in (first, second):
        if not contender.front:
            notes.append(f"{contender.name} has no feasible subnet")
    for cost in COSTS:
        pair = [curve[cost] for curve in curves]
        if pair[0] is None or pair[1] is None:
            notes.append(f"{QUALITY} against {cost} needs both objectives in both studies")
        elif first.front and second.front and quality_gained(pair[0], pair[1]) is None:
            notes.append(f"no {cost} is covered by both fronts")
    return notes


def _text(goal: Goal) -> str:
    return f"{goal.name} [{goal.unit}, {goal.direction}]"


def compared_pairs(contenders: Sequence[Contender]) -> tuple[list[Pair], list[str]]:
    """Comparisons of every two `contenders`, and the reasons where a comparison is not possible.

    Raises:
        ComparisonError: No two of them can be compared.
    """
    pairs, errors = [], []
    for first, second in combinations(contenders, 2):
        try:
            pairs.append(compare(first, second))
        except ComparisonError as error:
            errors.append(error)
    if errors and not pairs:
        raise errors[0]
    return pairs, list(map(str, errors))
