from __future__ import annotations

import numpy as np
import pytest

from objectives.hardware import CostModel, load_soc
from objectives.hardware_objectives import Area
from objectives.objective import Objective
from search_space.errors import DocumentError
from search_space.space import load_space

SPACE = load_space("cifar32")


def test_every_network_has_the_area_of_the_chip() -> None:
    soc = load_soc("u55-256-cim4")
    area = Area(CostModel(soc))
    assert isinstance(area, Objective)
    assert (area.name, area.unit, area.direction, area.is_expensive) == ("area", "mm2", "min", False)
    values = area([SPACE.decode(SPACE.smallest()), SPACE.decode(SPACE.largest())])
    np.testing.assert_array_equal(values, np.full(2, soc.area_mm2))
    assert area([]).shape == (0,)


def test_fingerprint_tells_chips_apart() -> None:
    prints = [
        Area(CostModel(load_soc(name))).fingerprint() for name in ("u55-256", "u55-256-cim4", "u55-256-cim8")
    ]
    assert len({tuple(one.items()) for one in prints}) == 3
    assert prints[1]["area_digest"] == prints[2]["area_digest"]
    assert prints[1]["area_parts"] == "4 macros of 1 units, weight store of 17.84 mm2"


def test_a_chip_without_areas_is_refused_when_the_objective_is_made() -> None:
    with pytest.raises(DocumentError, match=r"area\.macro"):
        Area(CostModel(load_soc("u55-256-tiles8")))
