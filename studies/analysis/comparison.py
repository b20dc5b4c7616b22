"""Comparison of two studies: hypervolume, IGD+, coverage, the paper's measures, and blocks.

Studies are compared by the objectives that they share. Their hypervolumes use one box, from the best of their
ideal points to the worst of their reference points, or within given values. Notes name the differences
between the studies and the comparisons that are not possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from search_space.families import Family
from studies.analysis.contenders import (
    BOX,
    COSTS,
    QUALITY,
    Box,
    ComparisonError,
    Contender,
    aligned,
    goal_text,
)
from studies.analysis.convergence import moved_lately
from studies.analysis.iso_gains import iso_gains
from studies.analysis.outside_bounds import outside_bounds
from studies.analysis.tradeoff import Gain
from studies.design_space.chip_choices import HARDWARE
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import SEARCH_HARDWARE, short
from studies.study.pareto_front import igd_plus

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
        scale: Scale of costs in the common box.
        hypervolume_a, hypervolume_b: Hypervolumes after so many evaluations, 0 to 1, in the common box.
        igd_plus_a, igd_plus_b: Mean distance of the joint front of both to each front, IGD+ (Ishibuchi et al.
            2015), in the common box after so many evaluations; less is better. None for an empty front.
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
    scale: str
    hypervolume_a: float
    hypervolume_b: float
    igd_plus_a: float | None
    igd_plus_b: float | None
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


def compare(first: Contender, second: Contender, box: Box = BOX) -> Pair:
    """Compares study `second` with study `first`.

    Args:
        first: The study to compare with.
        second: The study whose gains are computed.
        box: Wishes for the box.

    Raises:
        ComparisonError: The studies have no common objective.
    """
    a, b = aligned([first, second], box)
    count = min(len(a.evaluations), len(b.evaluations))
    gains = iso_gains([a], [b], box)
    distances = igd_plus([each.study.scaled_losses(each.front_after(count)) for each in (a, b)])
    return Pair(
        a=first.name,
        b=second.name,
        objectives=a.study.objectives,
        evaluations=count,
        scale=a.study.scale,
        hypervolume_a=a.hypervolume(count),
        hypervolume_b=b.hypervolume(count),
        igd_plus_a=distances[0],
        igd_plus_b=distances[1],
        coverage_ab=coverage(a, b),
        coverage_ba=coverage(b, a),
        **gains,
        notes=(
            *_notes(first, second, (a, b), gains),
            *moved_lately([a], [b], box),
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


def _notes(
    first: Contender,
    second: Contender,
    common: tuple[Contender, Contender],
    gains: Mapping[str, Gain | None],
) -> list[str]:
    notes = []
    left_out = [
        f"{goal_text(goal)} of {contender.name}"
        for contender in (first, second)
        for goal in contender.study.goals
        if goal not in common[0].study.goals
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
    if first.study.scale != second.study.scale:
        notes.append(f"different scales of costs: both are taken on a {common[0].study.scale} scale")
    for contender in (first, second):
        if not contender.front:
            notes.append(f"{contender.name} has no feasible subnet")
    for cost in COSTS:
        if not {QUALITY, cost} <= set(common[0].study.objectives):
            notes.append(f"{QUALITY} against {cost} needs both objectives in both studies")
        elif first.front and second.front and gains[f"{QUALITY}_at_equal_{cost}"] is None:
            notes.append(f"no {cost} is covered by both fronts")
    return notes


def compared_pairs(contenders: Sequence[Contender], box: Box = BOX) -> tuple[list[Pair], list[str]]:
    """Comparisons of every two `contenders`, and the reasons where a comparison is not possible.

    Raises:
        ComparisonError: No two of them can be compared.
    """
    pairs, errors = [], []
    for first, second in combinations(contenders, 2):
        try:
            pairs.append(compare(first, second, box))
        except ComparisonError as error:
            errors.append(error)
    if errors and not pairs:
        raise errors[0]
    return pairs, list(map(str, errors))
