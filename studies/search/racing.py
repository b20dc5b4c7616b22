"""Racing: stop scoring a subnet once it can no longer reach the Pareto front.

A subnet competes with the members of the front that cost no more than it in every other objective. Once it is
less accurate than the best of these rivals at a confidence of `CONFIDENCE`, it stops and keeps an upper bound
of its accuracy. Subnets that do not stop are scored on every image. The front is therefore exact: all of its
members are scored in full, and one of them dominates each stopped subnet even at its bound.

A generation is cut into heats, and the subnets of a heat compete with the front of everything evaluated
before that heat. Heats are cut by position, so decisions depend on the order of evaluations alone, not on
timing, and a killed study resumes to the same table.

Source: Maron & Moore, "Hoeffding races: accelerating model selection search", NIPS 1993. The bound is that of
`racing_bound.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.objective import ACCURACY, ImageObjective, Objective, percent
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.search.candidate import Candidate
from studies.search.racing_bound import is_rejected, upper_bound
from studies.study.constraint import Constraint
from studies.study.evaluation import Evaluation

CONFIDENCE = 0.9
"""Least probability that a subnet as accurate as its rival is not stopped. Wrong stops cost little
hypervolume, since they only affect subnets about as good as the front."""
HEATS = 4
"""Heats per generation. Later heats also compete with the best of earlier ones. More heats would save hardly
more images, and subnets of different heats share no work (`benchmarks/search/racing_savings.py`)."""
VERSION = "2"
"""Changes whenever another subnet may be stopped, or stopped after another number of images."""
FINGERPRINT = f"{VERSION}, confidence {CONFIDENCE}"


class RacingError(H4HError):
    """Settings of a study that exclude racing."""


@dataclass(frozen=True)
class Result:
    """Result of a race for one subnet.

    Attributes:
        value: Accuracy in %; an upper bound of it for a stopped subnet.
        stopped_after: Number of images after which the subnet was stopped; None if it was scored in full.
    """

    value: float
    stopped_after: int | None


@dataclass(frozen=True)
class Runner:
    """A subnet and its rivals.

    Attributes:
        rival: Number of images that the best rival is right on; None without rivals, since the subnet then
            stays on the front with any accuracy.
        expected: Share of the front's members that are right on each image.
    """

    rival: int | None
    expected: Floats

    def is_hopeless(self, seen: Booleans) -> bool:
        """Whether it is less accurate than its rival with `CONFIDENCE`, given the results `seen`."""
        return self.rival is not None and is_rejected(self.rival, seen, self.expected, 1 - CONFIDENCE)


@dataclass(frozen=True)
class Heat:
    """Stop rule for the subnets of one heat; a callable that may be sent to another process."""

    runners: tuple[Runner, ...]

    def __call__(self, place: int, seen: Booleans) -> bool:
        return self.runners[place].is_hopeless(seen)


def check_racing(objectives: Sequence[str], constraints: Sequence[Constraint]) -> None:
    """Raises `RacingError` if studies of these objectives and constraints cannot race."""
    if ACCURACY.name not in objectives:
        raise RacingError(
            f"--racing stops subnets that are not accurate enough, so --objectives must have acc among them, "
            f"but got {','.join(objectives)}"
        )
    for constraint in constraints:
        if constraint.quantity == ACCURACY.name:
            raise RacingError(
                f"--racing leaves some subnets without an exact accuracy, so acc cannot be limited, but got "
                f"--constraint '{constraint}': leave out one of them"
            )


class Race:
    """Scores the subnets of one study against its front.

    It remembers the images that each subnet scored in full is right on. In a resumed study, members of the
    front are scored again if needed, which does not change the table.

    Args:
        space: The designs of the study; all on one chip.
        objectives: Objectives of the study, in order.

    Raises:
        RacingError: None or several of `objectives` are expensive, or the images are too few.
    """

    def __init__(self, space: DesignSpace, objectives: Sequence[Objective]) -> None:
        expensive = [objective for objective in objectives if objective.is_expensive]
        if len(expensive) != 1 or not isinstance(expensive[0], ImageObjective):
            names = ", ".join(objective.name for objective in expensive) or "none"
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
        self._signs = np.array([-1.0 if each.direction == "max" else 1.0 for each in objectives])
        self._names = [objective.name for objective in objectives]
        self._right: dict[Genotype, Booleans] = {}

    @property
    def objective(self) -> ImageObjective:
        """The objective that is scored."""
        return self._objective

    @staticmethod
    def heats(batch: Mapping[int, Genotype]) -> list[dict[int, Genotype]]:
        """A generation in `HEATS` parts by position; each also competes with the best of earlier ones."""
        items = list(batch.items())
        size = max(-(-len(items) // HEATS), 1)
        return [dict(items[start : start + size]) for start in range(0, len(items), size)]

    def share(self, evaluations: Sequence[Evaluation]) -> float:
        """Number of scored images as a share of the number without racing."""
        scored = [evaluation for evaluation in evaluations if evaluation.values[self._column] is not None]
        images = self._objective.images
        total = sum(evaluation.stopped_after or images for evaluation in scored)
        return total / max(len(scored) * images, 1)

    def score(self, batch: Sequence[Candidate], front: Sequence[Evaluation]) -> dict[int, Result]:
        """Results of candidates by index, each independent of the others.

        Args:
            batch: Candidates with the values of all other objectives.
            front: Evaluations that they compete with, all scored in full; if empty, no subnet stops.
        """
        heat = Heat(tuple(self._runners(batch, front)))
        subnets = [candidate.design.subnet for candidate in batch]
        scored = self._objective.right(subnets, heat if front else None)
        results = {}
        for candidate, right, runner in zip(batch, scored, heat.runners, strict=True):
            if len(right) == self._objective.images:
                self._right[candidate.genotype] = right
                results[candidate.index] = Result(percent(int(right.sum()), len(right)), None)
            else:
                bound = upper_bound(right, runner.expected, 1 - CONFIDENCE)
                results[candidate.index] = Result(percent(bound, self._objective.images), len(right))
        return results

    def _runners(self, batch: Sequence[Candidate], front: Sequence[Evaluation]) -> list[Runner]:
        expected = self._expected(front)
        values = np.array([member.values for member in front], dtype=np.float64)
        values = values.reshape(-1, len(self._signs))
        losses, accuracies = self._signs * values, values[:, self._column]
        others = np.arange(len(self._signs)) != self._column
        runners = []
        for candidate in batch:
            own = self._signs * [candidate.values.get(name, 0.0) for name in self._names]
            rivals = accuracies[(losses <= own)[:, others].all(axis=1)]
            best = round(rivals.max() * self._objective.images / 100) if len(rivals) else None
            runners.append(Runner(best, expected))
        return runners

    def _expected(self, front: Sequence[Evaluation]) -> Floats:
        unknown = [member.genotype for member in front if member.genotype not in self._right]
        scored_again = self._objective.right([self._space.decode(genotype).subnet for genotype in unknown])
        self._right |= dict(zip(unknown, scored_again, strict=True))
        if not front:
            return np.zeros(self._objective.images)
        # Counts are exact, so the order of the front changes no bit.
        count: Floats = np.sum([self._right[member.genotype] for member in front], axis=0, dtype=np.float64)
        return count / len(front)
