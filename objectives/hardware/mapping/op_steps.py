"""Costs of ops as steps of dynamic programming, each op in its context computed once."""

from __future__ import annotations

from collections.abc import Sequence

from objectives.hardware.mapping.mapper import Mapper
from objectives.hardware.mapping.placement import op_costs
from objectives.hardware.mapping.segment import OpContext, Steps


class OpSteps:
    """Steps of ops in their contexts, for every number of macros.

    Args:
        mapper: Has learnt, or will have learnt, the ops.
    """

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._steps_by_context: dict[OpContext, Steps] = {}

    def joined(self, contexts: Sequence[OpContext]) -> Steps:
        """One segment of the ops `contexts`, in order."""
        return Steps.joined([self._of(context) for context in contexts])

    def _of(self, context: OpContext) -> Steps:
        steps = self._steps_by_context.get(context)
        if steps is None:
            splits = self._mapper.splits(context.op)
            costs = op_costs(
                None if context.previous is None else self._mapper.splits(context.previous),
                splits,
                self._mapper.soc,
                value_bytes=context.value_bytes,
                may_stay=context.may_stay,
            )
            steps = Steps.of([costs], [splits], [context.may_stay])
            self._steps_by_context[context] = steps
        return steps
