from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc, variant
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Area, Energy, Latency, PerChip, Power
from objectives.objective import (
    ChipObjective,
    Dependency,
    Design,
    Direction,
    Objective,
    ObjectiveError,
    declaration,
)
from objectives.registry import ObjectiveContext, create_objectives
from search_space import complexity
from search_space.arrays import Floats
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
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network", "chip")
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
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


def test_what_is_made_from_a_cost_model_must_declare_that_it_depends_on_the_chip() -> None:
    class Network(Scaled):
        depends_on = ("network",)

    with pytest.raises(ObjectiveError, match=r"'scaled' takes the chip's .* add 'chip' to its depends_on"):
        PerChip(lambda _: Network(1), Chip())


def test_a_fixed_chip_is_a_choice_of_one() -> None:
    subnets = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
    costs = CostModel(FILE)
    direct: tuple[Objective, ...] = (Latency(costs), Energy(costs), Area(costs))
    made = create_objectives(("lat", "energy", "area"), ObjectiveContext(FILE))
    for objective, expected in zip(made, direct, strict=True):
        assert isinstance(objective, ChipObjective)
        assert declaration(objective) == declaration(expected)
        assert objective.fingerprint() == expected.fingerprint()
        values = objective.on_chips([Design(subnet, Chip()) for subnet in subnets])
        assert values.tolist() == objective(subnets).tolist() == expected(subnets).tolist()


def test_power_is_energy_by_latency() -> None:
    subnets = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
    costs = CostModel(FILE)
    watts = Energy(costs)(subnets) * 1e-3 / (Latency(costs)(subnets) * 1e-3)
    assert Power(costs)(subnets) == pytest.approx(1e3 * watts)
    assert not Power.follows_size


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("depends_on", (), "depends_on must be a tuple of some of 'network', 'chip', 'weights'"),
        ("depends_on", ("network", "chips"), "depends_on must be a tuple of some of"),
        ("direction", "down", "direction must be 'max' or 'min', but got 'down'"),
        ("unit", "", "unit must be a text"),
        ("name", "two words", "name must be letters"),
        ("follows_size", None, "follows_size must be True or False"),
    ],
)
def test_a_wrong_declaration_is_refused(attribute: str, value: object, message: str) -> None:
    wrong = type("Wrong", (Scaled,), {attribute: value})
    with pytest.raises(ObjectiveError, match=f"objective Wrong: {message}"):
        declaration(wrong)


def test_a_missing_declaration_is_named() -> None:
    class Silent:
        name, unit, direction = "silent", "1", "min"

    with pytest.raises(
        ObjectiveError, match="Silent has no attribute 'depends_on': an objective must declare name"
    ):
        declaration(Silent())


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
