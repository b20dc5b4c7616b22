"""Evaluations: what one subnet's objective values are in one study, and how they are measured.

Cheap objectives and constraints come first, for a whole generation at once. An expensive objective (the
accuracy) is measured only for subnets that the cheap ones left feasible, a few at a time, so that little
work is lost when a study is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from objectives.objective import Objective
from search_space import complexity
from search_space.errors import H4HError
from search_space.families import family
from search_space.genotype import Genotype, to_text
from search_space.space import Space
from search_space.subnet import Subnet
from studies.constraint import Constraint


class EvaluationError(H4HError):
    """An objective that gave no usable value."""


@dataclass(frozen=True)
class Evaluation:
    """One row of a study. Holds nothing that depends on when, where or with what others it was measured.

    Attributes:
        index: Place in the order of evaluation, from 0; names the subnet within the study.
        genotype: Canonical.
        values: One per objective of the study, in their order and units; None where it was not measured
            because the subnet had been found infeasible.
        limited: The quantity of each constraint of the study; None where it was not measured.
        is_feasible: Whether every constraint holds.
        macs: Multiply-accumulates.
        params: Parameters.
        conv_blocks: Number of MBConv blocks.
        vit_blocks: Number of transformer blocks.
        family: Pattern of blocks, see `search_space.families`.
    """

    index: int
    genotype: Genotype
    values: tuple[float | None, ...]
    limited: tuple[float | None, ...]
    is_feasible: bool
    macs: int
    params: int
    conv_blocks: int
    vit_blocks: int
    family: str


def violations(evaluations: Sequence[Evaluation], constraints: Sequence[Constraint]) -> NDArray[np.float64]:
    """Shape (n, k): how far each evaluation breaks each constraint; at most 0 where it holds."""
    rows = [
        [constraint.violation(value) for constraint, value in zip(constraints, row.limited, strict=True)]
        for row in evaluations
    ]
    return np.array(rows, dtype=np.float64).reshape(len(evaluations), len(constraints))


def measure(objective: Objective, space: Space, genotypes: Sequence[Genotype]) -> list[float]:
    """Values of the networks that `genotypes` stand for, all finite; empty for none.

    Raises:
        EvaluationError: The objective gave another number of values, or one that is not finite.
    """
    if not genotypes:
        return []
    values = np.asarray(objective([space.decode(one) for one in genotypes]), dtype=np.float64)
    if values.shape != (len(genotypes),):
        raise EvaluationError(
            f"objective {objective.name!r} must give {len(genotypes)} values, but gave shape {values.shape}"
        )
    for genotype, value in zip(genotypes, values, strict=True):
        if not np.isfinite(value):
            raise EvaluationError(
                f"objective {objective.name!r} is {value} for the subnet {to_text(genotype)} of space "
                f"{space.name!r}; nothing of it was stored"
            )
    return [float(value) for value in values]


class Evaluator:
    """Measures subnets of one study.

    Args:
        space: What the genotypes mean.
        objectives: What the study optimises, in its order.
        constraints: What makes a subnet feasible.
        limited: Objectives that a constraint needs and the study does not optimise.
        group: How many subnets get their expensive objectives at once; what is in the making when a
            study is killed is lost.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        *,
        limited: Sequence[Objective] = (),
        group: int = 1,
    ) -> None:
        self._space = space
        self._names = [objective.name for objective in objectives]
        self._constraints = tuple(constraints)
        measured = [*objectives, *limited]
        self._cheap = [objective for objective in measured if not objective.is_expensive]
        self._expensive = [objective for objective in measured if objective.is_expensive]
        self._group = group

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        return self._constraints

    def evaluate(self, batch: Mapping[int, Genotype]) -> Iterator[list[Evaluation]]:
        """Measures a batch and yields finished evaluations in the order of `batch`, as soon as known.

        Args:
            batch: Canonical genotypes by index.

        Raises:
            EvaluationError: An objective gave no finite value.
        """
        known = {index: _counts(self._space.decode(genotype)) for index, genotype in batch.items()}
        self._measure(self._cheap, batch, known)

        waiting: list[int] = []  # Known as far as possible without the expensive objectives.
        pending: dict[int, Genotype] = {}  # Those among them that need the expensive objectives.
        for index, genotype in batch.items():
            waiting.append(index)
            if self._expensive and self._is_possible(known[index]):
                pending[index] = genotype
            if len(pending) == self._group:
                self._measure(self._expensive, pending, known)
                yield [self._evaluation(one, batch[one], known[one]) for one in waiting]
                waiting, pending = [], {}
        self._measure(self._expensive, pending, known)
        if waiting:
            yield [self._evaluation(one, batch[one], known[one]) for one in waiting]

    def _measure(
        self,
        objectives: Sequence[Objective],
        batch: Mapping[int, Genotype],
        known: Mapping[int, dict[str, float]],
    ) -> None:
        """Adds the values of `objectives` to `known`."""
        for objective in objectives:
            values = measure(objective, self._space, list(batch.values()))
            for index, value in zip(batch, values, strict=True):
                known[index][objective.name] = value

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
