from __future__ import annotations

from dataclasses import replace

import pytest

from objectives.hardware import CostModel, SoC, load_soc
from objectives.hardware_objectives import Energy, Latency, Power
from objectives.networks_on_chip import memory_bounds, networks_on_chip, networks_text, spreads_on_chip
from objectives.three_networks import three_networks
from search_space.space import load_space


def test_values_are_those_of_the_objectives_in_the_mapping_that_is_best_for_each() -> None:
    space, soc = load_space("cifar32"), load_soc("u55-256-cim8")
    subnets = [space.decode(genotype) for genotype in three_networks(space)]
    spreads = {spread.name: spread.values for spread in spreads_on_chip(space, soc)}
    fastest, frugal = (CostModel(soc, mapping) for mapping in ("latency", "energy"))
    assert list(spreads["lat"]) == Latency(fastest)(subnets).tolist()
    assert list(spreads["energy"]) == Energy(frugal)(subnets).tolist()
    assert spreads["energy"][2] < Energy(fastest)(subnets)[2]
    powers = zip(Power(fastest)(subnets), Power(frugal)(subnets), strict=True)
    assert list(spreads["power"]) == [min(pair) for pair in powers]
    assert spreads["macs"] == (698368, 4653856, 25752576)  # as search_space.describe and a study say
    assert "acc" not in spreads


def test_a_chip_without_areas_has_no_row_of_it() -> None:
    space, soc = load_space("cifar32"), load_soc("u55-256")
    without = replace(soc, area=replace(soc.area, npu=None))
    names = [[spread.name for spread in spreads_on_chip(space, chip)] for chip in (soc, without)]
    assert set(names[0]) - set(names[1]) == {"area"}


def with_sram(kib: int) -> SoC:
    soc = load_soc("u55-256")
    capacity = replace(soc.memory.sram_capacity, value=kib / 1024, low=kib / 1024)
    return replace(soc, memory=replace(soc.memory, sram_capacity=capacity))


def test_memories_say_which_networks_they_hold() -> None:
    space, soc = load_space("cifar32"), with_sram(kib=64)
    assert memory_bounds(soc) == {"sram": 65536, "params": 4194304}
    record = networks_on_chip(space, soc)
    assert record["quantities"]["sram"]["middle"] == 54512
    assert record["quantities"]["sram"]["ratio"] == pytest.approx(9.2)
    assert record["memories"]["sram"] == {"bound": 65536, "holds": ["smallest", "middle"]}
    assert record["memories"]["params"]["holds"] == ["smallest", "middle", "largest"]
    lines = list(networks_text(space, soc))
    assert lines[0] == "networks of cifar32 on u55-256:"
    assert lines[-2:] == [
        "limit sram<=chip (65,536 bytes of SRAM): the smallest and middle networks hold it",
        "limit params<=chip (4,194,304 bytes of weight store): all three networks hold it",
    ]


def test_no_network_in_a_memory_too_small_for_all() -> None:
    line = list(networks_text(load_space("cifar32"), with_sram(kib=4)))[-2]
    assert line == "limit sram<=chip (4,096 bytes of SRAM): none of the three networks holds it"
