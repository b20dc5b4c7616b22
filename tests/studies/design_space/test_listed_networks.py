"""The networks of a table: distances worked by hand, extremes, neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from search_space import complexity
from search_space.space import Space
from search_space.table_space import TableChoice, TableSpace
from studies.design_space.chip_choices import ChipChoices
from studies.design_space.design_space import DesignSpace
from studies.design_space.listed_networks import ListedNetworks

SPACE = TableSpace(
    "own", (TableChoice("depth", (1, 2, 4), True), TableChoice("op", ("a", "b", "c"), False))
).as_space()
ROWS = np.array([[2, 0], [0, 1], [1, 2], [0, 0]], dtype=np.uint16)


@pytest.fixture
def listed() -> ListedNetworks:
    return ListedNetworks(SPACE, ROWS)


def test_distance_counts_steps_of_an_order_and_other_options(listed: ListedNetworks) -> None:
    # One step of two in depth is a half; another op is 1, however far its index.
    assert listed.distances((1, 0)).tolist() == [0.5, 1.5, 1.0, 0.5]
    assert listed.distances((0, 2)).tolist() == [2.0, 1.0, 0.5, 1.0]


def test_extremes_by_the_genes_with_an_order(listed: ListedNetworks) -> None:
    assert (listed.smallest(), listed.largest()) == ((0, 1), (2, 0))


def test_extremes_of_a_known_space_by_macs(tiny: Space) -> None:
    rng = np.random.default_rng(0)
    rows = np.unique(np.array([tiny.sample(rng) for _ in range(20)]), axis=0)
    listed = ListedNetworks(tiny, rows)
    macs = [complexity.macs(tiny.decode(row)) for row in rows.tolist()]
    assert complexity.macs(tiny.decode(listed.smallest())) == min(macs)
    assert complexity.macs(tiny.decode(listed.largest())) == max(macs)


def test_only_listed_networks_are_drawn_counted_and_neighbours(listed: ListedNetworks) -> None:
    space = DesignSpace(SPACE, listed=listed)
    assert space.cardinality == 4
    assert {space.sample(np.random.default_rng(seed)) for seed in range(50)} == set(map(tuple, ROWS.tolist()))
    assert sorted(space.neighbours((0, 0))) == [(0, 1), (2, 0)]
    assert space.corners == ((0, 1), (2, 0))


def test_listed_networks_on_searched_chips(listed: ListedNetworks) -> None:
    space = DesignSpace(SPACE, ChipChoices(macros=(1, 2)), listed)
    assert space.cardinality == 8
    assert space.on_fixed_chip.cardinality == 4
    rows = np.array([0, 2])
    chip = space.smallest()[2:]
    assert space.listed_designs(chip, rows).tolist() == [[2, 0, *chip], [1, 2, *chip]]
    assert space.listed_row((1, 2, *chip)) == 2
