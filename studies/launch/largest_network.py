"""Values of the largest network of a space on the chip of a study, of which relative limits are shares."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

from objectives.objective import Objective
from objectives.registry import RegisteredObjective, registered_objectives
from search_space.space import Space
from search_space.subnet import Subnet
from search_space.table_space import is_table_space
from studies.design_space.chip_choices import OPTION, Chips
from studies.study.constraint import Constraint, ConstraintError
from studies.study.quantity_units import BLOCK_COUNTS


class LargestNetwork:
    """The network with the most multiply-accumulates of a space, measured when a limit first needs it.

    Latency and energy are those of the better one of the mappings that the study searches.

    Args:
        networks: The search space.
        chips: The chip, or the chips that the study searches.
        others: Names of quantities that the project does not compute: user-defined objectives and columns of
            an accuracy table.
    """

    def __init__(self, networks: Space, chips: Chips, others: Collection[str]) -> None:
        self._networks = networks
        self._chips = chips
        self._others = others
        self._values: dict[str, float] = {}

    def __call__(self, quantity: str) -> float:
        """Value of a quantity.

        Raises:
            ConstraintError: The quantity has no such value, or one for every chip of a searched space.
        """
        if quantity not in self._values:
            self._values[quantity] = self._measured(quantity)
        return self._values[quantity]

    def line(self, text: str, limit: Constraint) -> str:
        """One line that says the number behind a share.

        Args:
            text: The limit as it was given.
            limit: The limit as a number.
        """
        amount = limit.amount_text(self(limit.quantity))
        chip = self._chips.greatest.soc.name
        place = f" on {chip}" if self._on_chip(limit.quantity) else ""
        return (
            f"limit {text}: {limit.quantity} of the largest network of {self._networks.name} is {amount}"
            f"{place}, so the limit is {limit}"
        )

    def _measured(self, quantity: str) -> float:
        known = {name for name, each in self._objectives.items() if _follows_size(each)} | {*BLOCK_COUNTS}
        known -= {*self._others}
        if quantity not in known or is_table_space(self._networks):
            raise ConstraintError(
                f"{quantity} cannot be limited to a share of the largest network: write the limit with its "
                f"unit (shares are for {', '.join(sorted(known))} of a space of networks)"
            )
        if quantity in BLOCK_COUNTS:
            return float(getattr(self._subnet, quantity))
        if not self._on_chip(quantity):
            objective: Objective = self._objectives[quantity].source
            return float(objective([self._subnet])[0])
        choices = self._chips.choices
        if choices.macros or choices.units:
            raise ConstraintError(
                f"with {OPTION}, the largest network has another {quantity} on each chip: write the limit "
                f"with its unit, or fix --macros and --units"
            )
        costs = map(self._chips.costs, choices.chips)
        return min(float(self._objectives[quantity].on(each)([self._subnet])[0]) for each in costs)

    def _on_chip(self, quantity: str) -> bool:
        objective = self._objectives.get(quantity)
        return objective is not None and "chip" in objective.declaration.depends_on

    @cached_property
    def _objectives(self) -> dict[str, RegisteredObjective]:
        return registered_objectives()

    @cached_property
    def _subnet(self) -> Subnet:
        return self._networks.decode(self._networks.largest())


def _follows_size(objective: RegisteredObjective) -> bool:
    """Whether the largest network has about the most of an objective, and at no expense."""
    declared = objective.declaration
    return declared.follows_size and not declared.is_expensive and "network" in declared.depends_on
