from __future__ import annotations

from pathlib import Path
from typing import Any

from objectives.hardware import CostModel, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Energy, Latency
from objectives.three_networks import three_networks
from search_space.space import Space
from studies.launch.forecast import forecast
from studies.launch.plan import check
from studies.launch.plan_objects import make_objectives
from studies.study.settings import StudySettings

CHIP = "u55-256-cim8"


def lines(tiny_path: Path, *constraints: str, **settings: Any) -> list[str]:
    settings = {"objectives": ("params", "lat", "energy"), **settings}
    plan = check(StudySettings(space=str(tiny_path), constraints=constraints, **settings), Path("none.db"))
    return forecast(plan, make_objectives(plan, print))


def numbers(text: list[str], name: str) -> list[str]:
    (row,) = (line.split() for line in text if line.split()[0] == name)
    return row


def test_each_objective_in_its_best_mapping(tiny: Space, tiny_path: Path) -> None:
    text = lines(tiny_path)
    assert text[0] == f"networks of tiny on {CHIP}:"
    assert len(text) == 5
    subnets = [tiny.decode(genotype) for genotype in three_networks(tiny)]
    fastest, frugal = (CostModel(load_soc(CHIP), mapping) for mapping in ("latency", "energy"))
    latencies, energies = Latency(fastest)(subnets), Energy(frugal)(subnets)
    assert numbers(text, "lat")[2:5] == [f"{value:.4g}" for value in latencies]
    assert numbers(text, "energy")[2:5] == [f"{value:.4g}" for value in energies]
    assert numbers(text, "lat")[5] == f"{latencies[2] / latencies[0]:.3g}x"


def test_searched_chips_are_represented_by_the_greatest(tiny: Space, tiny_path: Path) -> None:
    text = lines(tiny_path, objectives=("lat",), search_hardware="macros=0,2")
    soc = load_soc(CHIP).variant(Chip(macros=2))
    assert text[0] == f"networks of tiny on {soc.name}:"
    subnets = [tiny.decode(genotype) for genotype in three_networks(tiny)]
    assert numbers(text, "lat")[2:5] == [f"{value:.4g}" for value in Latency(CostModel(soc))(subnets)]


def test_every_limit_says_whether_networks_hold_it(tiny: Space, tiny_path: Path) -> None:
    _, middle, largest = (tiny.decode(genotype) for genotype in three_networks(tiny))
    assert middle.conv_blocks < largest.conv_blocks
    text = lines(
        tiny_path,
        f"conv_blocks>={largest.conv_blocks}",
        f"conv_blocks>={largest.conv_blocks + 1}",
        "power<=1W@1fps",
        "power<=1nW@1fps",
        objectives=("params",),
    )
    limits = [line for line in text if line.startswith("limit")]
    assert limits[:4] == [
        f"limit conv_blocks>={largest.conv_blocks}: the largest network holds it",
        f"limit conv_blocks>={largest.conv_blocks + 1}: none of the three networks holds it; others may",
        "limit power<=1000mW@1fps: all three networks hold it",
        "limit power<=1e-06mW@1fps: none of the three networks holds it; others may",
    ]
    assert numbers(text, "conv_blocks")[3] == str(largest.conv_blocks)


def test_without_the_chip_none_is_named(tiny_path: Path) -> None:
    text = lines(tiny_path, "family=cnn", objectives=("params",))
    assert text[0] == "networks of tiny:"
    assert not any(line.startswith("limit") for line in text)
