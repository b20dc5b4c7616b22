"""Exact costs of designs whose chip is searched, against the cost model of each chip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from objectives import registry
from objectives.hardware import CostModel, variant
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import network_totals
from objectives.registry import create_objectives
from search_space.space import Space
from studies.design_space.chip_choices import parse_hardware
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities
from tests.studies.test_joint_study import CHOICES, FILE, soc_of


def test_tables_give_the_same_for_every_design(tiny: Space) -> None:
    joint = DesignSpace(tiny, parse_hardware(CHOICES))
    costs = {chip: soc_of(chip) for chip in joint.chips.chips}
    exact = ExactQuantities(joint, costs, ("lat", "energy", "area", "macs", "quality"))
    assert exact.names == ("macs", "lat", "energy", "area")
    rng = np.random.default_rng(0)
    genotypes = [*joint.corners, *(joint.sample(rng) for _ in range(60))]
    found = exact(np.array(genotypes))
    for row, genotype in enumerate(genotypes):
        design = joint.decode(genotype)
        model = costs[design.chip]
        latency, energy = network_totals(model, [design.subnet])
        assert (found["lat"][row], found["energy"][row]) == (latency[0], energy[0])
        assert found["area"][row] == model.soc.area_mm2
        assert found["macs"][row] == create_objectives(["macs"], registry.ObjectiveContext(FILE))[0](
            [design.subnet]
        )


def test_tables_estimate_what_exceeds_few_of_the_chips(tiny: Space) -> None:
    assert FILE.cim is not None
    small = replace(FILE, cim=replace(FILE.cim, capacity=replace(FILE.cim.capacity, value=2.5, low=2.5)))
    joint = DesignSpace(tiny, parse_hardware(CHOICES))
    costs = {
        chip: CostModel(variant(small, macros=chip.macros, units=chip.units)) for chip in joint.chips.chips
    }
    exact = ExactQuantities(joint, costs, ("lat", "energy"))
    assert exact.names == ("lat", "energy")
    rng = np.random.default_rng(0)
    networks = [tiny.largest(), *(tiny.sample(rng) for _ in range(30))]
    genotypes = [joint.placed(one, chip) for one in networks for chip in (Chip(0), Chip(2, 4), Chip(8, 4))]
    found, estimate = exact(np.array(genotypes)), exact.estimate(np.array(genotypes))
    for row, genotype in enumerate(genotypes):
        design = joint.decode(genotype)
        latency, energy = network_totals(costs[design.chip], [design.subnet])
        assert (found["lat"][row], found["energy"][row]) == (latency[0], energy[0])
    differs = found["lat"] != estimate["lat"]
    assert differs.any()
    assert {joint.chip(genotypes[row]) for row in np.flatnonzero(differs)} == {Chip(2, 4)}
    assert (found["lat"] >= estimate["lat"]).all()
