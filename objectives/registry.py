"""All built-in objectives by name. A new one is one file and one line in `_BUILT_IN`.

User-defined objectives need no line here; see `own_objective`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Area, Energy, Latency, PerChip, Power, PowerAtRate, TotalsObjective
from objectives.objective import ACCURACY, Declaration, Objective, declaration
from objectives.size_objectives import MACS, PARAMS, SRAM
from search_space.arrays import Floats
from search_space.errors import H4HError, UnknownNameError
from search_space.files.plug_ins import PlugInGroup

Source = Any
"""An objective; a class of objectives that depend on the chip, called with the `CostModel` of each chip; or
the declaration of the accuracy."""

_BUILT_IN: dict[str, Source] = {
    "acc": ACCURACY,
    "lat": Latency,
    "energy": Energy,
    "power": Power,
    "area": Area,
    "macs": MACS,
    "params": PARAMS,
    "sram": SRAM,
}
PLUG_INS = PlugInGroup("h4h.objectives", "objective")
"""Objectives of other packages: what ``module:Class`` may name."""


@dataclass(frozen=True)
class ObjectiveContext:
    """Everything that objectives are created from.

    Attributes:
        hardware: The SoC; the greatest one if chips are searched.
        accuracy: Creates the accuracy objective, the only one that needs torch, weights and images. It is
            called only for `acc`.
        mapping: Cost that the mapping of a subnet minimises, see `objectives.hardware.MAPPINGS`; a searched
            chip may name another one.
        npu_model: Source of the NPU's cycles, `analytic` or `vela`.
        spill: Whether activations beyond the SRAM are costed, see `CostModel`.
        chips: Gives the SoC of a searched chip; None if all networks run on `hardware`.
        greatest: The chip that is `hardware`, if chips are searched.
    """

    hardware: SoC
    accuracy: Callable[[], Objective] | None = None
    mapping: str = "latency"
    npu_model: str = "analytic"
    spill: bool = False
    chips: Callable[[Chip], SoC] | None = None
    greatest: Chip = field(default_factory=Chip)

    @cached_property
    def costs(self) -> CostModel:
        """The cost model of `hardware`."""
        mapping = self.greatest.mapping or self.mapping
        return CostModel.shared(self.hardware, mapping, npu_model=self.npu_model, spill=self.spill)

    @cached_property
    def _costs_by_chip(self) -> dict[Chip, CostModel]:
        return {self.greatest: self.costs}

    def costs_on(self, chip: Chip) -> CostModel:
        """The cost model of one chip, shared by all objectives of this context."""
        if chip not in self._costs_by_chip:
            soc = self.hardware if self.chips is None else self.chips(chip)
            mapping = chip.mapping or self.mapping
            self._costs_by_chip[chip] = CostModel.shared(
                soc, mapping, npu_model=self.npu_model, spill=self.spill
            )
        return self._costs_by_chip[chip]

    def on_hardware(
        self, create: Callable[[CostModel], Objective], declared: Declaration | None = None
    ) -> Objective:
        """The objective that `create` returns for a cost model, on every chip."""
        return PerChip(lambda chip: create(self.costs_on(chip)), self.greatest, declared)


@dataclass(frozen=True)
class RegisteredObjective:
    """A registered objective.

    Attributes:
        declaration: Declaration of the objective.
        source: Class, or declaration, from which the objective is created.
        arguments: Arguments of the class behind the cost model.
    """

    declaration: Declaration
    source: Source
    arguments: tuple[float, ...] = ()

    @property
    def follows_totals(self) -> bool:
        """Whether its values follow from latency and energy."""
        return isinstance(self.source, type) and issubclass(self.source, TotalsObjective)

    def of_totals(self, costs: CostModel) -> Callable[[Floats, Floats], Floats]:
        """Its values from latencies and energies on one chip; it must follow these."""
        objective: TotalsObjective = self.source(costs, *self.arguments)
        return objective.of_totals

    @property
    def mapped_for(self) -> tuple[str, ...]:
        """Mappings that give its best values; none if its values follow from no mapping."""
        return self.source.mapped_for if self.follows_totals else ()

    def on(self, costs: CostModel) -> Objective:
        """The objective on one chip; its source must be a class."""
        objective: Objective = self.source(costs, *self.arguments)
        return objective

    def check_on(self, costs: CostModel) -> None:
        """Checks that the objective can be measured on a chip.

        Raises:
            H4HError: The chip's file lacks a number that it needs.
        """
        if isinstance(self.source, type):
            self.on(costs)

    def create(self, context: ObjectiveContext) -> Objective:
        """The objective.

        Raises:
            H4HError: It cannot be created from `context`.
        """
        if self.source is ACCURACY:
            if context.accuracy is None:
                raise H4HError("objective 'acc' needs a trained supernet, but none was given")
            return context.accuracy()
        if isinstance(self.source, type):
            return context.on_hardware(self.on, self.declaration)
        objective: Objective = self.source
        return objective


_AT_RATE = re.compile(rf"{Power.name}@(?P<fps>.+)fps")


def registered_objectives(names: Iterable[str] = ()) -> dict[str, RegisteredObjective]:
    """All built-in objectives by name, in the order to list them.

    Args:
        names: Names of quantities; those of the power at a frame rate (``power@30fps``) come last.
    """
    known = {name: RegisteredObjective(declaration(source), source) for name, source in _BUILT_IN.items()}
    for name in names:
        if match := _AT_RATE.fullmatch(name):
            declared = replace(known[Power.name].declaration, name=name)
            known[name] = RegisteredObjective(declared, PowerAtRate, (float(match["fps"]),))
    return known


def is_registered(name: str) -> bool:
    """Whether `registered_objectives` knows a quantity of this name."""
    return name in _BUILT_IN or _AT_RATE.fullmatch(name) is not None


def declarations() -> dict[str, Declaration]:
    """Declarations of all built-in objectives, by name."""
    return {name: declaration(source) for name, source in _BUILT_IN.items()}


def built_in_objectives() -> tuple[str, ...]:
    """Names of all built-in objectives."""
    return tuple(_BUILT_IN)


def known_objectives() -> tuple[str, ...]:
    """Names of all objectives: built-in ones, then those of installed packages.

    Example:
        >>> from objectives import known_objectives
        >>> "lat" in known_objectives()
        True
    """
    return tuple(dict.fromkeys((*_BUILT_IN, *PLUG_INS.names())))


def check_objectives(names: Sequence[str]) -> None:
    """Checks names of objectives.

    Raises:
        UnknownNameError: There is no objective of this name.
        H4HError: No name is given, or one name twice.
    """
    if not names:
        raise H4HError(f"no objective given: name at least one of {', '.join(_BUILT_IN)}")
    for position, name in enumerate(names):
        if name not in _BUILT_IN:
            raise UnknownNameError("objective", name, known_objectives())
        if name in names[:position]:
            raise H4HError(f"objective {name!r} is named twice")


def create_objectives(names: Sequence[str], context: ObjectiveContext) -> tuple[Objective, ...]:
    """The objectives called `names`, in this order; limits may name the power at a frame rate.

    Raises:
        UnknownNameError: There is no objective of this name.
        H4HError: No name is given, one name twice, or `acc` without an oracle.
    """
    check_objectives([name for name in names if not _AT_RATE.fullmatch(name)] or list(names))
    known = registered_objectives(names)
    return tuple(known[name].create(context) for name in names)
