"""All objectives by name. A new one is a file of its own and one line in `_BUILT_IN`.

A user's own objective needs no line here: it is passed as an object or a class wherever a function takes `own`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Area, Energy, Latency, PerChip, Power, TotalsObjective
from objectives.objective import (
    ACCURACY,
    ChipObjective,
    Declaration,
    FloatArray,
    Objective,
    ObjectiveError,
    declaration,
)
from objectives.size_objectives import MACS, PARAMS, SRAM
from search_space.errors import H4HError, UnknownNameError

Source = Any
"""An objective, a class of objectives, or the declaration of the accuracy.

A class is called with a `CostModel` if it depends on the chip, and without arguments otherwise.
"""

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


@dataclass(frozen=True)
class ObjectiveContext:
    """Everything that objectives are made from.

    Attributes:
        hardware: The SoC; the greatest one if chips are searched.
        accuracy: Makes the accuracy oracle, which alone needs torch, weights and images. It is called only if
            `acc` is wanted.
        mapping: Cost that the mapping of a subnet minimises, see `objectives.hardware.MAPPINGS`.
        npu_model: Source of the NPU's cycles, `analytic` or `vela`.
        chips: Gives the SoC of a searched chip; None if all networks run on `hardware`.
        greatest: The chip that is `hardware`, if chips are searched.
    """

    hardware: SoC
    accuracy: Callable[[], Objective] | None = None
    mapping: str = "latency"
    npu_model: str = "analytic"
    chips: Callable[[Chip], SoC] | None = None
    greatest: Chip = field(default_factory=Chip)

    @cached_property
    def costs(self) -> CostModel:
        """The cost model of `hardware`."""
        return CostModel(self.hardware, self.mapping, npu_model=self.npu_model)

    @cached_property
    def _costs_by_chip(self) -> dict[Chip, CostModel]:
        return {self.greatest: self.costs}

    def costs_on(self, chip: Chip) -> CostModel:
        """The cost model of one chip, shared by all objectives of this context."""
        if chip not in self._costs_by_chip:
            soc = self.hardware if self.chips is None else self.chips(chip)
            self._costs_by_chip[chip] = CostModel(soc, self.mapping, npu_model=self.npu_model)
        return self._costs_by_chip[chip]

    def on_hardware(self, create: Callable[[CostModel], Objective]) -> Objective:
        """The objective that `create` makes from a cost model, for every chip."""
        return PerChip(lambda chip: create(self.costs_on(chip)), self.greatest)


@dataclass(frozen=True)
class RegisteredObjective:
    """An objective that can be made.

    Attributes:
        declaration: What it declares.
        source: What makes it.
    """

    declaration: Declaration
    source: Source

    @property
    def of_totals(self) -> Callable[[FloatArray, FloatArray], FloatArray] | None:
        """Its values from latencies and energies; None if they do not follow from these."""
        is_class = isinstance(self.source, type) and issubclass(self.source, TotalsObjective)
        return self.source.of_totals if is_class else None

    def on(self, costs: CostModel) -> Objective:
        """The objective on one chip; it must depend on the chip and be a class."""
        objective: Objective = self.source(costs)
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
            H4HError: It cannot be made from `context`.
        """
        if self.source is ACCURACY:
            if context.accuracy is None:
                raise H4HError("objective 'acc' needs a trained supernet, but none was given")
            return context.accuracy()
        if not isinstance(self.source, type):
            return self._as_it_is(context)
        if "chip" in self.declaration.depends_on:
            return context.on_hardware(self.on)
        objective: Objective = self.source()
        return objective

    def _as_it_is(self, context: ObjectiveContext) -> Objective:
        objective: Objective = self.source
        is_on_one_chip = "chip" in self.declaration.depends_on and not isinstance(objective, ChipObjective)
        if is_on_one_chip and context.chips is not None:
            raise ObjectiveError(
                f"objective {self.declaration.name!r} was made for one chip, so it cannot be used with "
                f"--search-hardware: pass its class, which is called with the cost model of each chip"
            )
        return objective


def registered_objectives(own: Sequence[Source] = ()) -> dict[str, RegisteredObjective]:
    """All objectives by name, in the order to list them.

    Args:
        own: Objectives and classes of objectives that are not built in.

    Raises:
        ObjectiveError: One of `own` is incomplete, or has the name of another objective.
    """
    objectives = {
        name: RegisteredObjective(declaration(source), source) for name, source in _BUILT_IN.items()
    }
    for source in own:
        declared = declaration(source)
        if declared.name in objectives:
            raise ObjectiveError(
                f"objective {declared.name!r} exists already: give yours another name than "
                f"{', '.join(objectives)}"
            )
        objectives[declared.name] = RegisteredObjective(declared, source)
    return objectives


def declarations(own: Sequence[Source] = ()) -> dict[str, Declaration]:
    """What each objective declares, by name; see `registered_objectives`."""
    return {name: objective.declaration for name, objective in registered_objectives(own).items()}


def known_objectives(own: Sequence[Source] = ()) -> tuple[str, ...]:
    """Names of all objectives."""
    return tuple(registered_objectives(own))


def depending_on_chip(own: Sequence[Source] = ()) -> tuple[str, ...]:
    """Names of the objectives that depend on the chip."""
    return tuple(name for name, declared in declarations(own).items() if "chip" in declared.depends_on)


def check_objectives(names: Sequence[str], own: Sequence[Source] = ()) -> None:
    """Checks names without making anything.

    Raises:
        UnknownNameError: There is no objective of this name.
        H4HError: No name is given, or one name twice.
    """
    known = known_objectives(own)
    if not names:
        raise H4HError(f"no objective given: name at least one of {', '.join(known)}")
    for position, name in enumerate(names):
        if name not in known:
            raise UnknownNameError("objective", name, known)
        if name in names[:position]:
            raise H4HError(f"objective {name!r} is named twice")


def create_objectives(
    names: Sequence[str], context: ObjectiveContext, own: Sequence[Source] = ()
) -> tuple[Objective, ...]:
    """The objectives called `names`, in this order.

    Raises:
        UnknownNameError: There is no objective of this name.
        H4HError: No name is given, one name twice, or `acc` without an oracle.
    """
    check_objectives(names, own)
    known: Mapping[str, RegisteredObjective] = registered_objectives(own)
    return tuple(known[name].create(context) for name in names)
