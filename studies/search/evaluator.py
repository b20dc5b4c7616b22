"""Evaluate subnets: measure each objective once, check the values, apply the constraints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from objectives.objective import ChipObjective, Objective
from search_space import complexity
from search_space.errors import H4HError
from search_space.families import family
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from search_space.subnet import Subnet
from studies.design_space.joint_space import design_of, network_genes
from studies.study.constraint import Constraint

if TYPE_CHECKING:
    from studies.search.racing import Race
from studies.study.evaluation import Evaluation

FIRST_GROUP = 8
"""Networks that get their expensive objectives together, until it is known how long they take."""


GROUP_SECONDS = 20.0
"""About how long a group may take; what is in the making when a study is killed is lost."""


class EvaluationError(H4HError):
    """An objective that gave no usable value."""


def measure(objective: Objective, space: Space, genotypes: Sequence[Genotype]) -> list[float]:
    """Values of the networks that `genotypes` stand for, all finite; empty for none.

    Where `space` has a choice of chips, an objective that the chip decides is asked about each network on its
    own chip, and any other objective once about each network.

    Raises:
        EvaluationError: The objective gave another number of values, or one that is not finite.
    """
    if not genotypes:
        return []
    if isinstance(objective, ChipObjective):
        keys = list(genotypes)
        asked = dict(zip(keys, genotypes, strict=True))
        found = objective.on_chips([design_of(space, one) for one in asked.values()])
    else:
        keys = [network_genes(space, one) for one in genotypes]
        asked = dict(zip(keys, genotypes, strict=True))
        found = objective([space.decode(one) for one in asked.values()])
    values = np.asarray(found, dtype=np.float64)
    if values.shape != (len(asked),):
        raise EvaluationError(
            f"objective {objective.name!r} must give {len(asked)} values, but gave shape {values.shape}"
        )
    for genotype, value in zip(asked.values(), values, strict=True):
        if not np.isfinite(value):
            raise EvaluationError(
                f"objective {objective.name!r} is {value} for the subnet {to_text(genotype)} of space "
                f"{space.name!r}; nothing of it was stored"
            )
    by_key = dict(zip(asked, values.tolist(), strict=True))
    return [by_key[key] for key in keys]


class Evaluator:
    """Measures subnets of one study.

    Args:
        space: What the genotypes mean.
        objectives: What the study optimises, in its order.
        constraints: What makes a subnet feasible.
        limited: Objectives that a constraint needs and the study does not optimise.
        known: Values of expensive objectives that were measured before, by name of the objective and
            canonical genotype of the network; they are taken as they are.
        race: Scores the expensive objective, if subnets without hope are to stop early.
        clock: Seconds, to keep what a kill can lose to about `GROUP_SECONDS` of work. Decides which subnets
            are measured together, which changes no value.

    Attributes:
        cache_hits: Subnets whose expensive objectives were all known, so that none was measured.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        limited: Sequence[Objective] = (),
        known: Mapping[str, Mapping[Genotype, float]] | None = None,
        race: Race | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._space = space
        self._names = [objective.name for objective in objectives]
        self._constraints = tuple(constraints)
        measured = [*objectives, *limited]
        self._cheap = [objective for objective in measured if not objective.is_expensive]
        self._expensive = [objective for objective in measured if objective.is_expensive]
        given = known or {}
        # What this evaluator measures is added, since a network may come again on another chip.
        self._known = {one.name: dict(given.get(one.name, {})) for one in self._expensive}
        self._race = race
        self._clock = clock
        self._group = FIRST_GROUP
        self.cache_hits = 0

    def is_measured(self, evaluation: Evaluation) -> bool:
        """Whether some expensive objective of `evaluation` has a value."""
        quantities = (*self._names, *(constraint.quantity for constraint in self._constraints))
        values = dict(zip(quantities, (*evaluation.values, *evaluation.limited), strict=True))
        return any(values[objective.name] is not None for objective in self._expensive)

    def heats(self, batch: Mapping[int, Genotype]) -> Sequence[Mapping[int, Genotype]]:
        """A generation in parts, each of which is to be evaluated before the next: whole but for racing."""
        return [batch] if self._race is None else self._race.heats(batch)

    def evaluate(
        self, batch: Mapping[int, Genotype], front: Sequence[Evaluation] = ()
    ) -> Iterator[list[Evaluation]]:
        """Measures a batch and yields finished evaluations as soon as they are known.

        First those that need no expensive objective, or whose values of it are known; then groups of the
        others, subnets that begin alike together, since an objective may share what they have in common.

        Args:
            batch: Canonical genotypes by index.
            front: That of all heats before; what racing measures them against, nothing without racing.

        Raises:
            EvaluationError: An objective gave no finite value.
        """
        found = {index: _counts(self._space.decode(genotype)) for index, genotype in batch.items()}
        self._measure(self._cheap, batch, found)
        waiting = [index for index in batch if self._expensive and self._is_possible(found[index])]
        for index in waiting:
            found[index] |= self._recalled(batch[index])
        missing = [index for index in waiting if self._unmeasured(found[index])]
        self.cache_hits += len(waiting) - len(missing)
        finished = [index for index in batch if index not in set(missing)]
        if finished:
            yield [self._evaluation(index, batch[index], found[index]) for index in finished]
        missing.sort(key=lambda index: batch[index])
        # A network is measured once, on however many chips it is; its designs stand together in this order.
        networks = [list(rows) for _, rows in groupby(missing, lambda index: self._network(batch[index]))]
        while networks:
            chosen, networks = networks[: self._group], networks[self._group :]
            group = [index for rows in chosen for index in rows]
            start = self._clock()
            asked = {index: batch[index] for index in group}
            stopped = self._run(asked, found, front)
            seconds = max(self._clock() - start, 1e-9)
            self._group = max(FIRST_GROUP, int(GROUP_SECONDS * len(chosen) / seconds))
            yield [
                replace(self._evaluation(index, batch[index], found[index]), stopped_after=stopped[index])
                for index in group
            ]

    def _run(
        self,
        batch: Mapping[int, Genotype],
        found: Mapping[int, dict[str, float]],
        front: Sequence[Evaluation],
    ) -> dict[int, int | None]:
        """Adds the expensive objectives to `found`; tells after how many images racing stopped a subnet."""
        if self._race is None:
            self._measure(self._expensive, batch, found)
            for index, genotype in batch.items():
                for name, values in self._known.items():
                    values[self._network(genotype)] = found[index][name]
            return dict.fromkeys(batch)
        results = self._race.score(batch, found, front)
        for index, result in results.items():
            found[index][self._race.objective.name] = result.value
        return {index: result.stopped_after for index, result in results.items()}

    def _recalled(self, genotype: Genotype) -> dict[str, float]:
        """Known values of the expensive objectives."""
        network = self._network(genotype)
        return {name: values[network] for name, values in self._known.items() if network in values}

    def _network(self, genotype: Genotype) -> Genotype:
        return network_genes(self._space, genotype)

    def _unmeasured(self, found: Mapping[str, float]) -> list[Objective]:
        return [objective for objective in self._expensive if objective.name not in found]

    def _measure(
        self,
        objectives: Sequence[Objective],
        batch: Mapping[int, Genotype],
        found: Mapping[int, dict[str, float]],
    ) -> None:
        """Adds the values of `objectives` to `found`."""
        for objective in objectives:
            asked = {index: one for index, one in batch.items() if objective.name not in found[index]}
            values = measure(objective, self._space, list(asked.values()))
            for index, value in zip(asked, values, strict=True):
                found[index][objective.name] = value

    def _is_possible(self, known: Mapping[str, float]) -> bool:
        """Whether every constraint holds whose quantity is known already."""
        return all(
            constraint.violation(known[constraint.quantity]) <= 0
            for constraint in self._constraints
            if constraint.quantity in known
        )

    def _evaluation(self, index: int, genotype: Genotype, known: Mapping[str, float]) -> Evaluation:
        subnet = self._space.decode(genotype)
        limited = tuple(known.get(constraint.quantity) for constraint in self._constraints)
        return Evaluation(
            index=index,
            genotype=genotype,
            values=tuple(known.get(name) for name in self._names),
            limited=limited,
            is_feasible=all(
                constraint.violation(value) <= 0
                for constraint, value in zip(self._constraints, limited, strict=True)
            ),
            macs=complexity.macs(subnet),
            params=complexity.params(subnet),
            conv_blocks=subnet.conv_blocks,
            vit_blocks=subnet.vit_blocks,
            family=str(family(subnet)),
        )


def _counts(subnet: Subnet) -> dict[str, float]:
    """Quantities that a constraint may limit and that no objective measures."""
    return {"conv_blocks": float(subnet.conv_blocks), "vit_blocks": float(subnet.vit_blocks)}
