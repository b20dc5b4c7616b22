"""Costs of ops as steps of dynamic programming, each op in its context computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from objectives.hardware.mapping.placement import op_costs
from objectives.hardware.mapping.segment_solver import OpContext, Steps
from objectives.hardware.mapping.split_costs import SplitCosts
from objectives.hardware.op import Op
from objectives.hardware.soc import SoC


class OpSteps:
    """Steps of ops in their contexts, for every number of macros.

    Args:
        splits: Gives the costs of the splits of an op.
        soc: The chip.
        known: Steps that were computed before for the same splits and chip; extended. None by default.
    """

    def __init__(
        self, splits: Callable[[Op], SplitCosts], soc: SoC, known: dict[OpContext, Steps] | None = None
    ) -> None:
        self._splits, self._soc = splits, soc
        self._steps_by_context = {} if known is None else known

    def joined(self, contexts: Sequence[OpContext]) -> Steps:
        """One segment of the ops `contexts`, in order."""
        return Steps.joined([self._of(context) for context in contexts])

    def _of(self, context: OpContext) -> Steps:
        steps = self._steps_by_context.get(context)
        if steps is None:
            splits = self._splits(context.op)
            costs = op_costs(
                None if context.previous is None else self._splits(context.previous),
                splits,
                self._soc,
                value_bytes=context.value_bytes,
                may_stay=context.may_stay,
            )
            steps = Steps.of([costs], [splits], [context.may_stay])
            self._steps_by_context[context] = steps
        return steps
