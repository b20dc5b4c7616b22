"""Exact quantities against the objectives that a study measures: equal, not near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, SoC, load_soc
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import network_totals
from objectives.registry import ObjectiveContext, create_objectives
from search_space.space import Space
from studies.design_space.design_space import DesignSpace
from studies.design_space.exact_costs import ExactQuantities

ALL = (
    "lat",
    "energy",
    "power",
    "power@30fps",
    "area",
    "macs",
    "params",
    "sram",
    "conv_blocks",
    "vit_blocks",
    "acc",
)


def exact_of(networks: Space, soc: SoC, wanted: Sequence[str], mapping: str = "latency") -> ExactQuantities:
    """Exact quantities of networks on a fixed chip."""
    return ExactQuantities(DesignSpace(networks), {Chip(): CostModel(soc, mapping)}, wanted)


def test_equal_to_what_the_objectives_measure(tiny: Space) -> None:
    soc = load_soc("u55-256-cim8")
    exact = exact_of(tiny, soc, ALL)
    assert set(exact.names) == set(ALL) - {"acc"}
    rng = np.random.default_rng(0)
    genotypes = [tiny.smallest(), tiny.largest(), *(tiny.sample(rng) for _ in range(30))]
    found = exact(np.array(genotypes))
    subnets = [tiny.decode(genotype) for genotype in genotypes]
    for objective in create_objectives(
        ("lat", "energy", "power", "power@30fps", "area", "macs", "params", "sram"), ObjectiveContext(soc)
    ):
        assert found[objective.name].tolist() == objective(subnets).tolist()
    assert found["conv_blocks"].tolist() == [subnet.conv_blocks for subnet in subnets]


def test_only_what_is_wanted_is_tabulated(
    tiny: Space, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("H4H_CACHE", str(tmp_path))
    exact = exact_of(tiny, load_soc("u55-256-cim8"), ("macs", "acc"))
    assert list(exact(np.array([tiny.smallest()]))) == ["macs"]
    assert not (tmp_path / "space_tables").exists()


def test_costs_of_a_mapping_that_stands_in_no_table_are_not_exact(tiny: Space) -> None:
    soc = load_soc("u55-256-cim8")
    exact = exact_of(tiny, soc, ("lat", "energy", "params"), "edp")
    assert exact.names == ("params",)
    assert exact.estimated == ("lat", "energy")
    genotypes = np.array([tiny.sample(np.random.default_rng(seed)) for seed in range(30)])
    assert list(exact(genotypes)) == ["params"]
    estimate = exact.estimate(genotypes)
    # The better of the fastest and the most frugal mapping: never better than the least product, and near it.
    costs = CostModel(soc, "edp")
    latency_ms, energy_mj = network_totals(costs, [tiny.decode(row.tolist()) for row in genotypes])
    ratio = estimate["lat"] * estimate["energy"] / (latency_ms * energy_mj)
    assert ratio.min() >= 1 - 1e-12
    assert ratio.max() <= 1.1  # 1.078
    assert np.corrcoef(estimate["lat"], latency_ms)[0, 1] > 0.97


def test_costs_are_not_exact_where_networks_may_exceed_the_macros(tiny: Space) -> None:
    soc = load_soc("u55-256-cim8")
    assert soc.cim is not None
    capacity = replace(soc.cim.capacity, value=1.0, low=0.5)  # KiB
    small = replace(soc, cim=replace(soc.cim, capacity=capacity))
    exact = exact_of(tiny, small, ("lat", "params"))
    assert (exact.names, exact.estimated) == (("params",), ("lat",))
    genotypes = np.array([tiny.sample(np.random.default_rng(seed)) for seed in range(30)])
    estimate = exact.estimate(genotypes)["lat"]
    latency_ms, _ = network_totals(CostModel(small), [tiny.decode(row.tolist()) for row in genotypes])
    # Without the limit of the capacity a network is at least as fast.
    assert (estimate <= latency_ms).all()
    assert (estimate < latency_ms).any()
    assert np.corrcoef(estimate, latency_ms)[0, 1] > 0.99
    assert exact_of(tiny, small, ("lat",), "npu").names == ("lat",)
