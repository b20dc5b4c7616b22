from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from search_space.arrays import Floats, Genotypes
from studies.design_space.design_space import DesignSpace
from studies.samplers import virtual_search
from studies.samplers.virtual_search import canonical_rows, different, random_rows, row_names
from studies.study.pareto_front import nondominated
from tests.studies.samplers.grid import CHOICES, GRID, sizes


def conflict(genes: Genotypes) -> tuple[Floats, Floats]:
    """The two objectives of `grid`, without constraints."""
    return np.array([sizes(tuple(row)) for row in genes.tolist()]), np.zeros((len(genes), 0))


def test_finds_the_front_and_puts_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_search, "CANDIDATES", 15_000)
    monkeypatch.setattr(virtual_search, "POPULATION", 100)
    start = np.array([GRID.smallest(), GRID.largest()])
    best, seen = virtual_search.virtual_search(GRID, conflict, start, np.random.default_rng(0))
    every = np.array([sizes(one) for one in product(*(range(gene.cardinality) for gene in GRID.genes))])
    front = {tuple(row) for row in every[nondominated(every)]}
    found = best.losses[nondominated(best.losses)]
    assert {tuple(row) for row in found} == front
    # They stand first, in no matter what order.
    assert {tuple(row) for row in best.losses[: len(found)]} == front
    assert len(different(best.genes)) == len(best.genes) == 100
    assert len(seen.genes) > 2000


def test_feasible_networks_stand_before_infeasible_ones_and_those_in_order_of_violation() -> None:
    def score(genes: Genotypes) -> tuple[Floats, Floats]:
        total = genes[:, CHOICES].sum(axis=1)
        return conflict(genes)[0], np.stack([(total - 3) / 3, 0.5 * (total - 3)], axis=1)

    start = np.array([GRID.largest()])
    best, _ = virtual_search.virtual_search(GRID, score, start, np.random.default_rng(0))
    broken = best.broken
    assert (broken[0], broken[-1] > 0) == (0, True)
    assert (np.diff(broken) >= 0).all()
    # 84 networks have genes that sum up to at most 3 (stars and bars), 2 % of the space.
    assert 60 < (broken == 0).sum() <= 84


def test_same_draws_give_the_same_networks(cifar32: DesignSpace) -> None:
    def found(seed: int) -> list[list[int]]:
        best, _ = virtual_search.virtual_search(
            cifar32,
            lambda genes: (genes[:, :3] / 3.0, np.zeros((len(genes), 0))),
            random_rows(cifar32, 5, np.random.default_rng(9)),
            np.random.default_rng(seed),
        )
        assert best.genes.tolist() == canonical_rows(cifar32, best.genes).tolist()
        rows: list[list[int]] = best.genes.tolist()
        return rows

    assert found(0) == found(0)
    assert found(0) != found(1)


def test_rows_are_canonical_as_single_genotypes_are(cifar32: DesignSpace) -> None:
    cardinalities = [gene.cardinality for gene in cifar32.genes]
    rows = np.random.default_rng(0).integers(0, cardinalities, (50, len(cardinalities)))
    assert canonical_rows(cifar32, rows).tolist() == [list(cifar32.canonical(row)) for row in rows.tolist()]


def test_different_keeps_the_first_of_equal_rows() -> None:
    rows = np.array([[3, 1], [0, 2], [3, 1], [0, 1], [0, 2]])
    assert different(rows).tolist() == [0, 1, 3]


def test_genes_of_many_options_are_told_apart() -> None:
    rows = np.array([[0, 1], [256, 1], [0, 257]])
    assert different(rows).tolist() == [0, 1, 2]
    assert len(set(row_names(rows))) == 3
