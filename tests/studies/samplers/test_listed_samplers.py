"""Samplers over the networks of a table: what holds for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from search_space.genotype import Genotype
from search_space.table_space import TableChoice, TableSpace
from studies.design_space.design_space import DesignSpace
from studies.design_space.listed_networks import ListedNetworks
from studies.samplers import virtual_search
from studies.samplers.proposed_designs import Archive
from studies.samplers.registry import known_samplers
from tests.studies.samplers.grid import noise, run, sampler_of, study_of

QUICK = [name for name in known_samplers() if name != "optuna-gp"]  # Seconds per network.
CHOICES = [TableChoice(f"layer{place}", (0, 1, 2), place % 2 == 0) for place in range(6)]
SPACE = TableSpace("own", tuple(CHOICES)).as_space()


def table_of(size: int) -> DesignSpace:
    """Some of the 729 networks, without any order."""
    codes = np.random.default_rng(3).choice(3**6, size, replace=False)
    rows = np.stack([codes // 3**place % 3 for place in range(6)], axis=1)
    return DesignSpace(SPACE, listed=ListedNetworks(SPACE, rows.astype(np.uint16)))


@pytest.mark.parametrize("name", QUICK)
def test_every_listed_network_is_proposed_once_and_no_other(name: str) -> None:
    space = table_of(70)
    sampler = sampler_of(name, space, study_of(2))
    generations = run(sampler, 9, noise(2), count=8)
    asked = [genotype for generation in generations for genotype in generation]
    assert space.listed is not None
    assert [len(generation) for generation in generations] == [8] * 8 + [6]
    assert sorted(asked) == sorted(map(tuple, space.listed.genotypes.tolist()))
    assert sampler.ask(8) == []


@pytest.mark.parametrize("name", QUICK)
def test_first_generation_begins_with_the_listed_extremes(name: str) -> None:
    space = table_of(70)
    assert sampler_of(name, space, study_of(2)).ask(8)[:2] == [space.smallest(), space.largest()]


def test_a_proposal_moves_to_the_nearest_new_network() -> None:
    rows = np.array([[0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 2]])
    space = DesignSpace(SPACE, listed=ListedNetworks(SPACE, rows))
    archive = Archive(space, np.random.default_rng(0))
    absent: Genotype = (1, 0, 0, 0, 0, 0)  # Half a step from the first two rows.
    assert archive.nearest_new(absent, taken={(0,) * 6}) == tuple(rows[1])
    assert archive.admit([absent, absent], 2) in (
        [tuple(rows[0]), tuple(rows[1])],
        [tuple(rows[1]), tuple(rows[0])],
    )
    # Both others differ by 1 in one gene without an order, besides the half step.
    assert archive.admit([(0, 1, 0, 0, 0, 0)], 1) == [tuple(rows[2])]
    assert archive.admit([absent], 1) == [tuple(rows[3])]
    assert archive.nearest_new(absent) is None
    assert archive.is_complete


def test_ties_do_not_follow_the_order_of_the_table() -> None:
    space = table_of(300)
    chosen = set()
    for seed in range(20):
        archive = Archive(space, np.random.default_rng(seed))
        assert space.listed is not None
        first = space.listed.at(0)
        archive.admit([first], 1)
        chosen.add(archive.nearest_new(first))
    assert len(chosen) > 1


def test_a_table_larger_than_the_virtual_search_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_search, "CANDIDATES", 20)
    sampler = sampler_of("surrogate", table_of(120), study_of(2))
    asked = [genotype for generation in run(sampler, 6, noise(2), count=8) for genotype in generation]
    assert len(set(asked)) == 48
