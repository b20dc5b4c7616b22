from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from objectives.hardware import CostModel, load_soc, variant
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Energy, Latency, PerChip
from objectives.objective import ChipObjective, Design, Direction, FloatArray, Objective
from objectives.registry import ObjectiveContext, create_objectives
from search_space import complexity
from search_space.space import load_space
from search_space.subnet import Subnet

SPACE = load_space("cifar32")
FILE = load_soc("u55-256-cim8")
CHIPS = (Chip(0), Chip(2, 1), Chip(8, 4))


@dataclass
class Scaled:
    """Multiply-accumulates times the chip's macros; notes whom it was asked about."""

    factor: int
    asked: list[int] = field(default_factory=list)
    name: ClassVar[str] = "scaled"
    unit: ClassVar[str] = "1"
    direction: ClassVar[Direction] = "min"
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        self.asked.append(len(subnets))
        return np.array([self.factor * complexity.macs(one) for one in subnets], dtype=np.float64)

    def fingerprint(self) -> dict[str, str]:
        return {"factor": str(self.factor)}


def test_each_chip_is_made_and_asked_once() -> None:
    made: dict[Chip, Scaled] = {}

    def create(chip: Chip) -> Scaled:
        assert chip not in made
        made[chip] = Scaled(chip.macros or 0)
        return made[chip]

    objective = PerChip(create, Chip(8, 4))
    assert isinstance(objective, Objective)
    assert isinstance(objective, ChipObjective)
    rng = np.random.default_rng(0)
    designs = [Design(SPACE.decode(SPACE.sample(rng)), CHIPS[place % 3]) for place in range(9)]
    values = objective.on_chips(designs)
    assert values.tolist() == [complexity.macs(one.subnet) * (one.chip.macros or 0) for one in designs]
    assert [made[chip].asked for chip in CHIPS] == [[3], [3], [3]]
    assert objective.on_chips([]).shape == (0,)
    assert (objective.name, objective.unit, objective.direction) == ("scaled", "1", "min")
    assert not objective.is_expensive
    assert objective.fingerprint() == {"factor": "8"}
    assert objective([designs[0].subnet]).tolist() == [8 * complexity.macs(designs[0].subnet)]


def test_an_objective_without_choice_of_chips_is_none_per_chip() -> None:
    for objective in create_objectives(("lat", "area", "macs"), ObjectiveContext(FILE)):
        assert not isinstance(objective, ChipObjective)


def test_values_are_those_of_the_cost_model_of_each_chip() -> None:
    greatest = Chip(8, 4)
    context = ObjectiveContext(FILE.variant(greatest), chips=FILE.variant, greatest=greatest)
    objectives = create_objectives(("lat", "energy", "area"), context)
    subnets = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
    designs = [Design(subnet, chip) for chip in CHIPS for subnet in subnets]
    for objective in objectives:
        assert isinstance(objective, ChipObjective)
    latency, energy, area = (one.on_chips(designs) for one in objectives if isinstance(one, ChipObjective))
    for row, design in enumerate(designs):
        soc = variant(FILE, macros=design.chip.macros, units=design.chip.units)
        costs = CostModel(soc)
        assert latency[row] == Latency(costs)([design.subnet])[0]
        assert energy[row] == Energy(costs)([design.subnet])[0]
        assert area[row] == soc.area_mm2
    assert objectives[0].fingerprint() == CostModel(FILE.variant(greatest)).fingerprint()
