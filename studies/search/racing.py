"""Racing: a subnet that has no hope to reach the front is not scored on all images.

A subnet runs against those of the front that cost no more than it in every other objective. It is hopeless
where it is less accurate than the best of them at a confidence of `CONFIDENCE`; then it stops, and what stays
of it is an upper bound of its accuracy. Whoever does not stop is scored in full, so the front is exact by
construction: all on it are scored in full, and one of them dominates each stopped subnet even at its bound.

The front is that of all subnets evaluated before a heat, and the heats of a generation are cut by place.
So decisions depend on the order of evaluations alone, not on what finished when, and a study that was killed
comes to the same table.

Maron & Moore, "Hoeffding races: accelerating model selection search", NIPS 1993; the bound is that of
`capital.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.objective import BoolArray, ImageObjective, Objective, percent
from search_space.errors import H4HError
from search_space.genotype import Genotype
from search_space.space import Space
from studies.search.betting_bound import Floats, is_rejected, upper_bound
from studies.study.constraint import Constraint
from studies.study.evaluation import Evaluation

CONFIDENCE = 0.9
"""Of each subnet as accurate as its rival, that it is not stopped. One that is wrongly stopped hardly costs
hypervolume, since only subnets about as good as the front are."""
HEATS = 4
"""Of a generation. Later ones run against the best of the earlier ones, too; more of them would spare hardly
more images, and subnets of different heats share no work (`benchmarks/search/racing_savings.py`)."""
VERSION = "2"
"""Changes whenever another subnet may be stopped, or stopped elsewhere."""
FINGERPRINT = f"{VERSION}, confidence {CONFIDENCE}"


class RacingError(H4HError):
    """A study whose subnets cannot race."""


@dataclass(frozen=True)
class Result:
    """What a race found out about a subnet.

    Attributes:
        value: Its accuracy in %; an upper bound of it, if it was stopped.
        stopped_after: Images after which it was; None for a subnet scored in full.
    """

    value: float
    stopped_after: int | None


@dataclass(frozen=True)
class Runner:
    """A subnet with what it runs against.

    Attributes:
        rival: How many images the best subnet of the front is right on that costs no more; None if all there
            cost more in some objective, so that this one may be as inaccurate as it likes.
        expected: Share of the front's subnets that are right on each image.
    """

    rival: int | None
    expected: Floats

    def is_hopeless(self, seen: BoolArray) -> bool:
        """Whether it is less accurate than its rival, for all that can be known from the images `seen`."""
        return self.rival is not None and is_rejected(self.rival, seen, self.expected, 1 - CONFIDENCE)


@dataclass(frozen=True)
class Heat:
    """Stop rule of subnets that run together; a callable that may be sent to another process."""

    runners: tuple[Runner, ...]

    def __call__(self, place: int, seen: BoolArray) -> bool:
        return self.runners[place].is_hopeless(seen)


def check_racing(objectives: Sequence[str], constraints: Sequence[Constraint]) -> None:
    """Raises `RacingError` if studies of these objectives and constraints cannot race."""
    if "acc" not in objectives:
        raise RacingError(
            f"--racing stops subnets that are not accurate enough, so --objectives must have acc among them, "
            f"but got {','.join(objectives)}"
        )
    for constraint in constraints:
        if constraint.quantity == "acc":
            raise RacingError(
                f"--racing leaves subnets without an exact accuracy, so that it cannot be limited, but got "
                f"--constraint '{constraint}': leave out one of them"
            )


class Race:
    """Scores the subnets of one study against its front.

    Keeps of each subnet that it has scored in full which images it is right on. After a study was killed,
    subnets of the front are scored once more where that is needed, which does not change the table.

    Args:
        space: What the genotypes mean.
        objectives: What the study optimises, in its order.

    Raises:
        RacingError: Other than one of `objectives` is expensive, or its images are too few.
    """

    def __init__(self, space: Space, objectives: Sequence[Objective]) -> None:
        expensive = [one for one in objectives if one.is_expensive]
        if len(expensive) != 1 or not isinstance(expensive[0], ImageObjective):
            names = ", ".join(one.name for one in expensive) or "none"
            raise RacingError(
                f"--racing needs exactly one expensive objective, one that scores images one by one (acc), "
                f"but got {names}"
            )
        self._objective = expensive[0]
        if self._objective.images <= self._objective.slice_images:
            raise RacingError(
                f"--racing scores {self._objective.slice_images} images at a time and needs more of them, "
                f"but there are {self._objective.images}: raise --val-images, or leave out --racing"
            )
        self._space = space
        self._column = list(objectives).index(self._objective)
        self._signs = np.array([-1.0 if one.direction == "max" else 1.0 for one in objectives])
        self._names = [one.name for one in objectives]
        self._right: dict[Genotype, BoolArray] = {}

    @property
    def objective(self) -> ImageObjective:
        """What is scored."""
        return self._objective

    @staticmethod
    def heats(batch: Mapping[int, Genotype]) -> list[dict[int, Genotype]]:
        """A generation in `HEATS` parts by place; each runs against the best of those before it as well."""
        items = list(batch.items())
        size = max(-(-len(items) // HEATS), 1)
        return [dict(items[start : start + size]) for start in range(0, len(items), size)]

    def share(self, evaluations: Sequence[Evaluation]) -> float:
        """Share of the images that subnets were scored on, of all that they would be without racing."""
        scored = [one for one in evaluations if one.values[self._column] is not None]
        images = self._objective.images
        return sum(one.stopped_after or images for one in scored) / max(len(scored) * images, 1)

    def score(
        self,
        batch: Mapping[int, Genotype],
        cheap: Mapping[int, Mapping[str, float]],
        front: Sequence[Evaluation],
    ) -> dict[int, Result]:
        """Results of subnets, each independent of the others.

        Args:
            batch: Canonical genotypes by index.
            cheap: Their other objectives by index and name.
            front: What they run against, all scored in full; if there is none, nobody stops.
        """
        heat = Heat(tuple(self._runners([cheap[index] for index in batch], front)))
        subnets = [self._space.decode(genotype) for genotype in batch.values()]
        scored = self._objective.right(subnets, heat if front else None)
        results = {}
        for (index, genotype), right, runner in zip(batch.items(), scored, heat.runners, strict=True):
            if len(right) == self._objective.images:
                self._right[genotype] = right
                results[index] = Result(percent(int(right.sum()), len(right)), None)
            else:
                bound = upper_bound(right, runner.expected, 1 - CONFIDENCE)
                results[index] = Result(percent(bound, self._objective.images), len(right))
        return results

    def _runners(self, cheap: Sequence[Mapping[str, float]], front: Sequence[Evaluation]) -> list[Runner]:
        expected = self._expected(front)
        values = np.array([one.values for one in front], dtype=np.float64).reshape(-1, len(self._signs))
        losses, accuracies = self._signs * values, values[:, self._column]
        others = np.arange(len(self._signs)) != self._column
        found = []
        for costs in cheap:
            own = self._signs * [costs.get(name, 0.0) for name in self._names]
            rivals = accuracies[(losses <= own)[:, others].all(axis=1)]
            best = round(rivals.max() * self._objective.images / 100) if len(rivals) else None
            found.append(Runner(best, expected))
        return found

    def _expected(self, front: Sequence[Evaluation]) -> Floats:
        unknown = [one.genotype for one in front if one.genotype not in self._right]
        again = self._objective.right([self._space.decode(genotype) for genotype in unknown])
        self._right |= dict(zip(unknown, again, strict=True))
        if not front:
            return np.zeros(self._objective.images)
        # Of counts, so that the order of the front changes no bit.
        count: Floats = np.sum([self._right[one.genotype] for one in front], axis=0, dtype=np.float64)
        return count / len(front)
