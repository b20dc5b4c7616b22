"""Evaluator of a study: measures each objective of a design once, checks the values, applies the constraints.

Cheap objectives and constraints come first, for a whole generation at once. An expensive objective (the
accuracy) is measured only for feasible designs that no study of the database has measured before. Groups take
some seconds each, so that little work is lost when a study is stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from objectives.objective import ChipObjective, Objective
from objectives.own_objective import OwnObjective
from search_space.errors import H4HError
from search_space.genotype import Genotype, to_text
from studies.design_space.design_space import DesignSpace
from studies.search.candidate import Candidate, candidates
from studies.search.racing import Race
from studies.study.constraint import Constraint, all_hold
from studies.study.evaluation import Evaluation

FIRST_GROUP = 8
"""Size of the first group, before the time of a measurement is known."""
GROUP_SECONDS = 20.0
"""Target time of a group. If a study is killed, the current group is lost."""
TOLERANCE = 1e-9
"""Relative difference of equal values that another CPU may cause in a sum of floats."""


class EvaluationError(H4HError):
    """An objective that returned no usable value."""


def subject(objective: Objective, candidate: Candidate) -> Genotype:
    """Genes that a value depends on: the network's, and the chip's if the objective depends on the chip."""
    return candidate.genotype if "chip" in objective.depends_on else candidate.network


def measure(objective: Objective, space: DesignSpace, batch: Sequence[Candidate]) -> list[float]:
    """Values of candidates, all finite, in order.

    Each network is measured once, or once on each of its chips if the objective depends on the chip.

    Raises:
        EvaluationError: The objective returned a wrong number of values, or one that is not finite.
    """
    if not batch:
        return []
    different = {subject(objective, candidate): candidate for candidate in batch}
    designs = [candidate.design for candidate in different.values()]
    if isinstance(objective, ChipObjective):
        values = np.asarray(objective.on_chips(designs), dtype=np.float64)
    else:
        values = np.asarray(objective([design.subnet for design in designs]), dtype=np.float64)
    if values.shape != (len(designs),):
        raise EvaluationError(
            f"objective {objective.name!r} must give {len(designs)} values, but gave shape {values.shape}"
        )
    for candidate, value in zip(different.values(), values, strict=True):
        if not np.isfinite(value):
            raise EvaluationError(
                f"objective {objective.name!r} is {value} for the subnet {to_text(candidate.genotype)} of "
                f"space {space.name!r}; nothing of it was stored"
            )
    value_by_subject = dict(zip(different, values.tolist(), strict=True))
    return [value_by_subject[subject(objective, candidate)] for candidate in batch]


class Evaluator:
    """Measures designs of one study.

    Args:
        space: The designs that the study searches.
        objectives: Objectives of the study, in order.
        constraints: Limits of the study.
        limited: Further objectives that only a constraint needs.
        known: Known values of expensive objectives, by name and by genotype of the network (of the design,
            for an objective that depends on the chip).
        late: Names of objectives that are not expensive, but slow. They are measured only for designs that
            hold all limits on other quantities.
        race: Measures the accuracy with racing; None without racing.
        clock: Seconds from any origin. Adapts the size of groups to about `GROUP_SECONDS`, which changes no
            value.

    Attributes:
        cache_hits: Number of designs whose expensive objectives were all known.
    """

    def __init__(
        self,
        space: DesignSpace,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        limited: Sequence[Objective] = (),
        known: Mapping[str, Mapping[Genotype, float]] | None = None,
        late: Collection[str] = (),
        race: Race | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._space = space
        self._names = [objective.name for objective in objectives]
        self._constraints = tuple(constraints)
        needed = [*objectives, *limited]
        self._cheap = [objective for objective in needed if not objective.is_expensive]
        self._late = [objective for objective in self._cheap if objective.name in late]
        self._expensive = [objective for objective in needed if objective.is_expensive]
        # Extended by new measurements, since a network may return on another chip.
        self._known = {
            objective.name: dict((known or {}).get(objective.name, {})) for objective in self._expensive
        }
        self._race = race
        self._clock = clock
        self._group = FIRST_GROUP
        self.cache_hits = 0

    def is_measured(self, evaluation: Evaluation) -> bool:
        """Whether at least one expensive objective of `evaluation` has a value."""
        quantities = (*self._names, *(constraint.quantity for constraint in self._constraints))
        values = dict(zip(quantities, (*evaluation.values, *evaluation.limited), strict=True))
        return any(values[objective.name] is not None for objective in self._expensive)

    def differences(self, evaluation: Evaluation) -> list[str]:
        """Cheap quantities whose stored value is not what their objective gives now, in words.

        Objectives of a user's own are left out, since one that reads a meter may vary.
        """
        (candidate,) = candidates(self._space, {evaluation.index: evaluation.genotype})
        for objective in self._cheap:
            if not isinstance(objective, OwnObjective):
                self._add(objective, [candidate])
        quantities = (*self._names, *(constraint.quantity for constraint in self._constraints))
        return [
            f"{name} is stored as {value:g}, but is {candidate.values[name]:g}"
            for name, value in zip(quantities, (*evaluation.values, *evaluation.limited), strict=True)
            if value is not None
            and name in candidate.values
            and not math.isclose(value, candidate.values[name], rel_tol=TOLERANCE)
        ]

    def heats(self, batch: Mapping[int, Genotype]) -> Sequence[Mapping[int, Genotype]]:
        """The heats of a generation: parts that are evaluated one after the other.

        Without racing the generation is a single heat. With racing, subnets of a later heat also compete with
        the best of the earlier heats (`Race.heats`).
        """
        return [batch] if self._race is None else self._race.heats(batch)

    def evaluate(
        self, batch: Mapping[int, Genotype], front: Sequence[Evaluation] = ()
    ) -> Iterator[list[Evaluation]]:
        """Measures a batch and yields finished evaluations as soon as they are known.

        Designs come first if they need no expensive objective or its values are known. Groups of the others
        follow. Subnets with the same first blocks are measured together, since an objective may share work.

        Args:
            batch: Canonical genotypes by index.
            front: Front of all earlier heats, which racing subnets compete with; unused without racing.

        Raises:
            EvaluationError: An objective returned no finite value.
        """
        decoded = candidates(self._space, batch)
        for objective in self._cheap:
            if objective not in self._late:
                self._add(objective, decoded)
        possible = [candidate for candidate in decoded if self._is_possible(candidate.values)]
        for objective in self._late:
            self._add(objective, possible)
        possible = [
            candidate for candidate in possible if self._expensive and self._is_possible(candidate.values)
        ]
        for candidate in possible:
            self._recall(candidate)
        waiting = [
            candidate
            for candidate in possible
            if any(each.name not in candidate.values for each in self._expensive)
        ]
        self.cache_hits += len(possible) - len(waiting)
        unfinished = {candidate.index for candidate in waiting}
        finished = [candidate for candidate in decoded if candidate.index not in unfinished]
        if finished:
            yield [self._evaluation(candidate) for candidate in finished]
        waiting.sort(key=lambda candidate: candidate.genotype)
        # Designs with the same network are neighbours in this order and belong to one group.
        networks = [list(designs) for _, designs in groupby(waiting, lambda candidate: candidate.network)]
        while networks:
            chosen, networks = networks[: self._group], networks[self._group :]
            group = [candidate for designs in chosen for candidate in designs]
            start = self._clock()
            stopped_after = self._measure_expensive(group, front)
            seconds = max(self._clock() - start, 1e-9)
            self._group = max(FIRST_GROUP, int(GROUP_SECONDS * len(chosen) / seconds))
            yield [self._evaluation(candidate, stopped_after[candidate.index]) for candidate in group]

    def _measure_expensive(
        self, group: Sequence[Candidate], front: Sequence[Evaluation]
    ) -> dict[int, int | None]:
        """Measures the expensive objectives.

        Returns:
            Number of images after which racing stopped each subnet, by index; None if measured in full.
        """
        if self._race is None:
            for objective in self._expensive:
                self._add(objective, group)
                for candidate in group:
                    value = candidate.values[objective.name]
                    self._known[objective.name][subject(objective, candidate)] = value
            return dict.fromkeys(candidate.index for candidate in group)
        results = self._race.score(group, front)
        for candidate in group:
            candidate.values[self._race.objective.name] = results[candidate.index].value
        return {index: result.stopped_after for index, result in results.items()}

    def _recall(self, candidate: Candidate) -> None:
        """Adds known values of the expensive objectives."""
        for objective in self._expensive:
            value = self._known[objective.name].get(subject(objective, candidate))
            if value is not None:
                candidate.values[objective.name] = value

    def _add(self, objective: Objective, batch: Sequence[Candidate]) -> None:
        """Measures `objective` for the candidates without its value."""
        missing = [candidate for candidate in batch if objective.name not in candidate.values]
        for candidate, value in zip(missing, measure(objective, self._space, missing), strict=True):
            candidate.values[objective.name] = value

    def _is_possible(self, known: Mapping[str, float]) -> bool:
        """Whether all constraints on known quantities hold."""
        return all_hold((limit for limit in self._constraints if limit.quantity in known), known)

    def _evaluation(self, candidate: Candidate, stopped_after: int | None = None) -> Evaluation:
        counts = candidate.counts
        limited = tuple(candidate.values.get(constraint.quantity) for constraint in self._constraints)
        return Evaluation(
            index=candidate.index,
            genotype=candidate.genotype,
            values=tuple(candidate.values.get(name) for name in self._names),
            limited=limited,
            is_feasible=all_hold(self._constraints, candidate.values),
            macs=counts.macs,
            params=counts.params,
            conv_blocks=counts.conv_blocks,
            vit_blocks=counts.vit_blocks,
            family=counts.family,
            stopped_after=stopped_after,
        )
