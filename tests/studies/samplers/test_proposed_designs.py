from __future__ import annotations

import numpy as np

from studies.design_space.design_space import DesignSpace
from studies.samplers.proposed_designs import Archive
from tests.studies.samplers.grid import GRID, space_of


def test_new_proposals_keep_their_places_and_others_give_way_to_a_neighbour(cifar32: DesignSpace) -> None:
    rng = np.random.default_rng(0)
    archive = Archive(cifar32, rng)
    first, second, third = (cifar32.sample(rng) for _ in range(3))
    assert archive.admit([first, second], 2) == [first, second]
    asked = archive.admit([first, third, third], 3)
    assert asked[1] == third
    assert asked[0] in set(cifar32.neighbours(first))
    assert asked[2] in set(cifar32.neighbours(third))
    assert len(archive) == len({first, second, *asked}) == 5


def test_places_without_a_proposal_are_filled_beside_what_is_near(cifar32: DesignSpace) -> None:
    archive = Archive(cifar32, np.random.default_rng(0))
    low, high = cifar32.smallest(), cifar32.largest()
    archive.admit([low, high], 2)
    beside = set(cifar32.neighbours(high))
    assert set(archive.admit([], 5, near=[high])) <= beside


def test_all_that_is_left_is_found_and_nothing_twice() -> None:
    space = GRID
    archive = Archive(space, np.random.default_rng(0))
    known = archive.admit([space.smallest()], 4000)
    assert len(set(known)) == 4000
    assert not archive.is_complete
    rest = archive.admit(known[:100], 100)
    assert len({*known, *rest}) == 4096
    assert archive.is_complete
    assert archive.admit([space.smallest()], 3) == []
    assert archive.new_neighbours(space.smallest()) == []


def test_space_of_one_network() -> None:
    space = space_of()
    archive = Archive(space, np.random.default_rng(0))
    assert archive.admit([space.smallest()], 4) == [space.smallest()]
    assert archive.is_complete
