"""All objectives by name. A new one is a file of its own and one line in `_FACTORIES`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from objectives import size
from objectives.hardware import CostModel, SoC
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Area, Energy, Latency, PerChip
from objectives.objective import Objective
from search_space.errors import H4HError, UnknownNameError


@dataclass(frozen=True)
class ObjectiveContext:
    """What objectives are made from.

    Attributes:
        hardware: The SoC of `lat`, `energy` and `area`; the greatest one where chips are searched.
        accuracy: Makes the accuracy oracle, which alone needs torch, weights and images; it is called
            only if `acc` is wanted.
        mapping: What the mapping of a subnet minimises, see `objectives.hardware.MAPPINGS`.
        npu_model: What gives the NPU's cycles, `analytic` or `vela`.
        chips: Gives the SoC of a searched chip; None where there is one chip for all networks.
        greatest: The chip that is `hardware`, where chips are searched.
    """

    hardware: SoC
    accuracy: Callable[[], Objective] | None = None
    mapping: str = "latency"
    npu_model: str = "analytic"
    chips: Callable[[Chip], SoC] | None = None
    greatest: Chip = field(default_factory=Chip)

    @cached_property
    def costs(self) -> CostModel:
        """One cost model for all objectives of this context."""
        return CostModel(self.hardware, self.mapping, npu_model=self.npu_model)

    @cached_property
    def _costs_of(self) -> dict[Chip, CostModel]:
        return {self.greatest: self.costs}

    def on_hardware(self, create: Callable[[CostModel], Objective]) -> Objective:
        """What `create` makes of the cost model of the SoC; where chips are searched, of each chip's."""
        chips = self.chips
        if chips is None:
            return create(self.costs)

        def of(chip: Chip) -> Objective:
            if chip not in self._costs_of:
                self._costs_of[chip] = CostModel(chips(chip), self.mapping, npu_model=self.npu_model)
            return create(self._costs_of[chip])

        return PerChip(of, self.greatest)


def _accuracy(context: ObjectiveContext) -> Objective:
    if context.accuracy is None:
        raise H4HError("objective 'acc' needs a trained supernet, but none was given")
    return context.accuracy()


_FACTORIES: dict[str, Callable[[ObjectiveContext], Objective]] = {
    "acc": _accuracy,
    "lat": lambda context: context.on_hardware(Latency),
    "energy": lambda context: context.on_hardware(Energy),
    "area": lambda context: context.on_hardware(lambda costs: Area(costs.soc)),
    "macs": lambda _: size.macs(),
    "params": lambda _: size.params(),
    "sram": lambda _: size.sram(),
}


def known_objectives() -> tuple[str, ...]:
    """Names of all objectives."""
    return tuple(_FACTORIES)


def check_objectives(names: Sequence[str]) -> None:
    """Checks names without making anything.

    Raises:
        UnknownNameError: A name is none of `known_objectives()`.
        H4HError: No name, or one name twice.
    """
    if not names:
        raise H4HError(f"no objective given: name at least one of {', '.join(_FACTORIES)}")
    for position, name in enumerate(names):
        if name not in _FACTORIES:
            raise UnknownNameError("objective", name, _FACTORIES)
        if name in names[:position]:
            raise H4HError(f"objective {name!r} is named twice")


def create_objectives(names: Sequence[str], context: ObjectiveContext) -> tuple[Objective, ...]:
    """The objectives called `names`, in this order.

    Raises:
        UnknownNameError: A name is none of `known_objectives()`.
        H4HError: No name, one name twice, or `acc` without an oracle.
    """
    check_objectives(names)
    return tuple(_FACTORIES[name](context) for name in names)
