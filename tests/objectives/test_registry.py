from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from objectives.hardware import load_soc
from objectives.objective import Dependency, Direction, Objective
from objectives.registry import ObjectiveContext, create_objectives, known_objectives
from search_space import complexity
from search_space.arrays import Floats
from search_space.errors import H4HError, UnknownNameError
from search_space.space import load_space
from search_space.subnet import Subnet

SPACE = load_space("cifar32")
SUBNETS = [SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())]
CONTEXT = ObjectiveContext(load_soc("u55-256-cim8"))
CHEAP = ("lat", "energy", "power", "macs", "params", "sram")


@dataclass(frozen=True)
class Constant:
    """Stands for the accuracy oracle."""

    name: ClassVar[str] = "acc"
    unit: ClassVar[str] = "%"
    direction: ClassVar[Direction] = "max"
    depends_on: ClassVar[tuple[Dependency, ...]] = ("network",)
    follows_size: ClassVar[bool] = True
    is_expensive: ClassVar[bool] = True

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.full(len(subnets), 50.0)

    def fingerprint(self) -> dict[str, str]:
        return {}


def test_all_names() -> None:
    assert known_objectives() == ("acc", "lat", "energy", "power", "area", "macs", "params", "sram")


@pytest.mark.parametrize("name", CHEAP)
def test_contract(name: str) -> None:
    (objective,) = create_objectives([name], CONTEXT)
    assert isinstance(objective, Objective)
    assert objective.name == name
    assert objective.unit
    assert objective.direction == "min"
    assert not objective.is_expensive
    assert all(isinstance(text, str) for pair in objective.fingerprint().items() for text in pair)
    values = objective(SUBNETS)
    assert values.shape == (2,)
    assert values.dtype == np.float64
    assert 0 < values[0] < values[1] or not objective.follows_size
    assert objective([]).shape == (0,)
    np.testing.assert_array_equal(objective(SUBNETS[::-1]), values[::-1])


def test_units() -> None:
    objectives = create_objectives(CHEAP, CONTEXT)
    assert [each.unit for each in objectives] == ["ms", "mJ", "mW", "MACs", "parameters", "bytes"]


def test_counts_are_plain_counts() -> None:
    counts, parameters = create_objectives(["macs", "params"], CONTEXT)
    assert counts(SUBNETS).tolist() == [complexity.macs(subnet) for subnet in SUBNETS]
    assert parameters(SUBNETS).tolist() == [complexity.params(subnet) for subnet in SUBNETS]


def test_fingerprint_names_the_hardware() -> None:
    latency, other = (
        create_objectives(["lat"], ObjectiveContext(load_soc(name)))[0].fingerprint()
        for name in ("u55-256", "u55-256-cim8")
    )
    assert latency["hardware"] == "u55-256"
    assert latency["hardware_digest"] != other["hardware_digest"]
    assert latency["cost_model"] == other["cost_model"]


def test_mapping_decides_values_and_fingerprint() -> None:
    by_name = {
        name: ObjectiveContext(load_soc("u55-256-cim8"), mapping=name)
        for name in ("latency", "energy", "edp", "npu")
    }
    values = {
        name: [objective(SUBNETS).tolist() for objective in create_objectives(["lat", "energy"], context)]
        for name, context in by_name.items()
    }
    assert values["latency"][0] <= values["energy"][0] <= values["npu"][0]
    assert values["energy"][1] < values["latency"][1]
    assert by_name["edp"].costs.fingerprint()["mapping"] == "edp"


def test_accuracy_is_made_only_when_wanted() -> None:
    made: list[int] = []

    def accuracy() -> Constant:
        made.append(1)
        return Constant()

    context = ObjectiveContext(load_soc("u55-256"), accuracy=accuracy)
    create_objectives(["lat"], context)
    assert not made
    (objective,) = create_objectives(["acc"], context)
    assert isinstance(objective, Objective)
    assert made == [1]


def test_bad_names() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown objective 'latency': must be one of acc, lat, energy"
    ):
        create_objectives(["latency"], CONTEXT)
    with pytest.raises(H4HError, match="named twice"):
        create_objectives(["lat", "lat"], CONTEXT)
    with pytest.raises(H4HError, match="no objective given"):
        create_objectives([], CONTEXT)
    with pytest.raises(H4HError, match="needs a trained supernet"):
        create_objectives(["acc"], CONTEXT)


def test_registry_and_hardware_need_no_torch() -> None:
    code = "import objectives.registry, objectives.profile, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
