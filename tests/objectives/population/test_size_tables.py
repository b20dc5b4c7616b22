"""Size tables equal the counts of single networks exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectives.population.size_tables import SIZES, SPILT, SizeTables
from objectives.size_objectives import MACS, PARAMS, SRAM
from objectives.workload import spilt_bytes, workload
from search_space.arrays import Genotypes
from search_space.genotype import GenotypeError
from search_space.space import load_space
from search_space.subnet import Subnet
from tests.objectives.population.test_cost_tables import CHAINED, population


def one_by_one(subnets: list[Subnet]) -> dict[str, list[float]]:
    counted = {size.name: size(subnets).tolist() for size in (MACS, PARAMS, SRAM)}
    counted["conv_blocks"] = [float(subnet.conv_blocks) for subnet in subnets]
    counted[SPILT] = [0.0] * len(subnets)
    counted["vit_blocks"] = [float(subnet.vit_blocks) for subnet in subnets]
    return counted


@pytest.mark.parametrize("name", ["cifar32", "imagenet224"])
def test_equal_to_counting_networks_one_by_one(name: str) -> None:
    space = load_space(name)
    rows = population(space, 300)
    found = SizeTables(space)(rows)
    assert set(found) == set(SIZES)
    expected = one_by_one([space.decode(row.tolist()) for row in rows])
    assert {key: values.tolist() for key, values in found.items()} == expected


def test_extremes_and_stages_that_may_be_empty(tmp_path: Path) -> None:
    file = tmp_path / "chained.yaml"
    file.write_text(CHAINED)
    chained = load_space(str(file))
    rows: Genotypes = np.array([chained.smallest(), chained.largest(), *population(chained, 200).tolist()])
    found = SizeTables(chained)(rows)
    expected = one_by_one([chained.decode(row.tolist()) for row in rows])
    assert {key: values.tolist() for key, values in found.items()} == expected


def test_maps_that_leave_the_sram() -> None:
    space = load_space("imagenet224")
    rows = population(space, 60)
    workloads = [workload(space.decode(row.tolist())) for row in rows]
    for sram in (2**19, 2**20):
        expected = [spilt_bytes(steps, sram) for steps in workloads]
        assert 0 in expected or sram < 2**20
        assert max(expected) > 0
        assert SizeTables(space, sram)(rows)[SPILT].tolist() == expected


@pytest.mark.parametrize("name", ["cifar32", "imagenet224"])
def test_upper_bounds_hold_and_the_peak_is_met(name: str) -> None:
    space = load_space(name)
    tables = SizeTables(space)
    bounds = tables.upper_bounds()
    found = tables(np.array([space.largest(), *population(space, 2000).tolist()]))
    assert all(found[key].max() <= bounds[key] for key in SIZES)
    assert found["sram"][0] == bounds["sram"]  # of the largest network in both spaces
    assert found["params"][0] == bounds["params"]


def test_refuses_what_is_no_genotype() -> None:
    tables = SizeTables(load_space("cifar32"))
    with pytest.raises(GenotypeError):
        tables(np.zeros((2, 3), dtype=np.int64))
