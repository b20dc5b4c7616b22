from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from objectives.objective import Dependency, Direction
from search_space.arrays import Floats
from search_space.space import Space
from search_space.subnet import Subnet
from studies.design_space.design_space import DesignSpace
from studies.study.constraint import parse_constraint
from studies.study.fingerprint import FingerprintError, check_same, fingerprint


@dataclass(frozen=True)
class Marked:
    """An objective with a given fingerprint."""

    name: str
    marks: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    direction: Direction = "min"
    depends_on: tuple[Dependency, ...] = ("network",)
    follows_size: bool = False
    is_expensive: bool = False

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.zeros(len(subnets))

    def fingerprint(self) -> dict[str, str]:
        return self.marks


def make(networks: Space, **changes: Any) -> dict[str, str]:
    settings: dict[str, Any] = {
        "space": DesignSpace(networks),
        "objectives": [Marked("lat", {"soc": "a" * 64}), Marked("energy", {"soc": "a" * 64})],
        "constraints": [parse_constraint("lat<=2ms")],
        "sampler": "nsga2",
        "population": 8,
        "seed": 0,
    }
    return fingerprint(**(settings | changes))


def test_equal_settings_have_equal_fingerprints(tiny: Space) -> None:
    assert make(tiny) == make(tiny)
    assert make(tiny) == make(tiny, constraints=[parse_constraint("lat<=2000us")])
    check_same("s", make(tiny), make(tiny))


def test_shared_parts_are_named_once_and_differing_ones_apart(tiny: Space) -> None:
    assert make(tiny)["soc"] == "a" * 64
    apart = make(tiny, objectives=[Marked("lat", {"soc": "1"}), Marked("energy", {"soc": "2"})])
    assert (apart["soc"], apart["energy.soc"]) == ("1", "2")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed 0 -> 1"),
        ({"population": 16}, "population 8 -> 16"),
        ({"constraints": []}, "constraints lat<=2ms -> none"),
        ({"sampler": "random"}, "sampler nsga2 -> random"),
        ({"objectives": [Marked("lat", {"soc": "b" * 64})]}, f"soc {'a' * 12} -> {'b' * 12}"),
        ({"objectives": [Marked("lat")]}, f"soc {'a' * 12} -> absent"),
        ({"objectives": [Marked("energy"), Marked("lat")]}, "objectives lat,energy -> energy,lat"),
    ],
)
def test_each_difference_is_named_with_the_remedy(tiny: Space, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(FingerprintError) as error:
        check_same("mine", make(tiny), make(tiny, **changes))
    for part in ("mine", named, "--study"):
        assert part in str(error.value)


def test_another_cost_model_is_no_setting_to_repeat(tiny: Space) -> None:
    old, new = (make(tiny, objectives=[Marked("lat", {"cost_model": version})]) for version in "78")
    with pytest.raises(FingerprintError, match=r"cost_model 7 -> 8\. The cost model .* --warm-start mine$"):
        check_same("mine", old, new)
    with pytest.raises(FingerprintError, match="Repeat the settings"):  # another objective, not another model
        check_same("mine", old, make(tiny, objectives=[Marked("acc")]))


def test_all_differences_are_named(tiny: Space, cifar32: Space) -> None:
    with pytest.raises(FingerprintError, match=r"space .* -> .*; population 8 -> 9; seed 0 -> 4"):
        check_same("mine", make(tiny), make(cifar32, population=9, seed=4))


def test_limited_objectives_count(tiny: Space) -> None:
    assert make(tiny, limited=[Marked("acc", {"checkpoint": "x"})])["checkpoint"] == "x"
