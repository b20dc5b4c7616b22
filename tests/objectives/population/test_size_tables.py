"""Size tables equal the counts of single networks exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectives.population.size_tables import SIZES, SizeTables
from objectives.size_objectives import MACS, PARAMS, SRAM
from search_space.arrays import Genotypes
from search_space.genotype import GenotypeError
from search_space.space import load_space
from search_space.subnet import Subnet
from tests.objectives.population.test_cost_tables import CHAINED, population


def one_by_one(subnets: list[Subnet]) -> dict[str, list[float]]:
    counted = {size.name: size(subnets).tolist() for size in (MACS, PARAMS, SRAM)}
    counted["conv_blocks"] = [float(subnet.conv_blocks) for subnet in subnets]
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


def test_refuses_what_is_no_genotype() -> None:
    tables = SizeTables(load_space("cifar32"))
    with pytest.raises(GenotypeError):
        tables(np.zeros((2, 3), dtype=np.int64))
