from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Energy, Latency
from objectives.size_objectives import MACS
from search_space.space import Space
from studies.design_space.chip_choices import ChipChoices, Chips
from studies.launch.largest_network import LargestNetwork
from studies.launch.plan import check
from studies.launch.run_or_resume import introduction
from studies.study.constraint import ConstraintError, parse_constraint
from studies.study.settings import StudySettings

CHIP = "u55-256-cim8"


@pytest.fixture
def chips() -> Chips:
    """A chip with macros whose mapping is searched."""
    return Chips(load_soc(CHIP), Chip(), ChipChoices(mapping=("latency", "energy")))


def test_values_are_those_of_the_largest_network_in_its_best_mapping(tiny: Space, chips: Chips) -> None:
    largest = LargestNetwork(tiny, chips, ())
    networks = [tiny.decode(tiny.largest())]
    fastest, frugal = (CostModel(load_soc(CHIP), mapping) for mapping in ("latency", "energy"))
    assert largest("lat") == Latency(fastest)(networks)[0] < Latency(frugal)(networks)[0]
    assert largest("energy") == Energy(frugal)(networks)[0] < Energy(fastest)(networks)[0]
    assert largest("macs") == MACS(networks)[0]
    assert largest("conv_blocks") == networks[0].conv_blocks > 0


@pytest.mark.parametrize("quantity", ["acc", "power", "area", "heat", "params"])
def test_quantities_without_a_largest_value_are_refused(tiny: Space, chips: Chips, quantity: str) -> None:
    largest = LargestNetwork(tiny, chips, {"heat", "params"})  # own ones, params among them
    with pytest.raises(ConstraintError) as error:
        largest(quantity)
    assert str(error.value) == (
        f"{quantity} cannot be limited to a share of the largest network: write the limit with its unit "
        f"(shares are for conv_blocks, energy, lat, macs, sram, vit_blocks of a space of networks)"
    )


@pytest.mark.parametrize("choices", [ChipChoices(macros=(4, 8)), ChipChoices(units=(1, 2))])
def test_searched_chips_have_no_common_largest_value(tiny: Space, choices: ChipChoices) -> None:
    largest = LargestNetwork(tiny, Chips(load_soc(CHIP), Chip(), choices), ())
    assert largest("macs") == MACS([tiny.decode(tiny.largest())])[0]
    with pytest.raises(ConstraintError, match=r"another lat on each chip: .* fix --macros and --units"):
        largest("lat")


def test_a_study_holds_the_number_and_says_it(tiny: Space, tiny_path: Path, chips: Chips) -> None:
    settings = StudySettings(
        space=str(tiny_path), objectives=("params", "lat", "energy"), constraints=("macs<=60%", "lat<=0.5x")
    )
    plan = check(settings, Path("none.db"))
    macs = MACS([tiny.decode(tiny.largest())])[0]
    latency = LargestNetwork(tiny, chips, ())("lat")
    assert plan.constraints == (
        parse_constraint(f"macs<={int(0.6 * macs)}"),
        parse_constraint(f"lat<={latency / 2!r}ms"),
    )
    assert plan.shares == (
        f"limit macs<=60%: macs of the largest network of {tiny.name} is {macs:,.0f}, so the limit is "
        f"macs<={int(0.6 * macs)}",
        f"limit lat<=0.5x: lat of the largest network of {tiny.name} is {latency:.4g} ms on {CHIP}, so the "
        f"limit is lat<={latency / 2!r}ms",
    )
    assert set(plan.shares) <= set(introduction(plan))


def test_the_same_limits_are_the_same_study(tiny_path: Path) -> None:
    constraints = ("macs<=0.6x", "macs<=60%", "macs<=60.0%")
    plan = check(
        StudySettings(space=str(tiny_path), objectives=("params",), constraints=constraints), Path("none.db")
    )
    assert len(plan.constraints) == 1
