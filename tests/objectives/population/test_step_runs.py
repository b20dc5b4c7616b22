"""Runs of steps: tables of runs against the dynamic programme for single networks, and joins by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from objectives.population.gene_table import GeneColumns, GeneTable
from objectives.population.step_genes import StepGenes
from objectives.population.step_runs import MOST_ROWS, StepRuns, joined, least
from search_space.space import load_space

SPACE = load_space("cifar32")
SIZES = [gene.cardinality for gene in SPACE.genes]
# Stands for the resolution, and three other genes for what decides a step, a first block, a depth.
STEP_GENES, BLOCK_GENES, DEPTH_GENES = ((0, 1), (0, 2), (0, 3)), ((4, 5), (6, 8)), (5, 8)
CRITERIA, CHOICES = 2, 2


def table(genes: tuple[int, ...], value: tuple[int, ...], seed: int) -> GeneTable:
    """Small integers, so that many ways cost the same."""
    sizes = tuple(SIZES[gene] for gene in genes)
    numbers = np.random.default_rng(seed).integers(0, 6, (*sizes, *value)).astype(float)
    return GeneTable(genes, numbers)


def tables(seed: int) -> tuple[list[GeneTable], list[GeneTable], list[GeneTable]]:
    """Three steps with 4 and 5 placements between them, two first blocks, and which stages are empty."""
    shapes = ((1, 4), (4, 5), (5, 1))
    steps = [
        table(genes, (*shape, CRITERIA, CHOICES), seed + index)
        for index, (genes, shape) in enumerate(zip(STEP_GENES, shapes, strict=True))
    ]
    begins = [
        table(genes, (3, CRITERIA, CHOICES), seed + 10 + index) for index, genes in enumerate(BLOCK_GENES)
    ]
    is_empty = [GeneTable((gene,), np.arange(SIZES[gene]) == index) for index, gene in enumerate(DEPTH_GENES)]
    return steps, begins, is_empty


def by_hand(seed: int, genotype: list[int]) -> list[float]:
    """Best sums over all placements of all maps, for each number of macros alone."""
    steps, begins, is_empty = tables(seed)

    def at(one: GeneTable) -> np.ndarray:
        value: np.ndarray = one.values[tuple(genotype[gene] for gene in one.genes)]
        return value

    result = np.zeros((CRITERIA, CHOICES))
    empty = [bool(at(one)) for one in is_empty]
    for choice in range(CHOICES):
        ways = []
        for first, second in product(range(4), range(5)):
            cost = np.zeros(CRITERIA)
            before = 0
            for index, after in enumerate((first, second, 0)):
                cost = cost + at(steps[index])[before, after, :, choice]
                before = after
                if index < 2 and not empty[index]:
                    # A block reads its map from SRAM.
                    cost = cost + (at(begins[index])[after, :, choice] if after < 3 else 1e6)
                    before = 0
            ways.append(tuple(cost))
        result[:, choice] = min(ways)
    return result.reshape(-1).tolist()


@given(seed=st.integers(0, 50), genes=st.tuples(*(st.integers(0, size - 1) for size in SIZES)))
def test_every_limit_gives_the_best_placements(seed: int, genes: tuple[int, ...]) -> None:
    few = StepGenes.of(len(SPACE.genes), *tables(seed))
    columns = GeneColumns(SPACE, few.derived)
    rows = columns(np.array([genes, genes]))
    expected = by_hand(seed, list(genes))
    for most_rows in (1, 20, MOST_ROWS):
        runs = StepRuns(columns, few.steps, few.begins, few.is_empty, most_rows)
        total = np.zeros((2, CRITERIA * CHOICES))
        left = runs.add(total, rows, np.empty_like(total))
        if len(left):
            total += runs.untabulated(rows)
        assert total.tolist() == [expected, expected]
        if most_rows > 20:
            assert not len(left)


def test_least_breaks_ties_by_the_second_criterion() -> None:
    first, second = np.array([[[3.0, 1.0]], [[9.0, 5.0]]]), np.array([[[3.0, 2.0]], [[7.0, 0.0]]])
    assert least([first, second]).tolist() == [[[3.0, 1.0]], [[7.0, 5.0]]]


def test_joined_in_closed_form() -> None:
    # One number of macros, one criterion: placements 0 and 1 cost 5 and 1, and 1 or 9 more from there.
    first = GeneTable((1,), np.array([[[[5.0]], [[1.0]]]]))
    second = GeneTable((2,), np.array([[[[1.0]], [[9.0]]]]))
    both = joined(first, second)
    assert both.genes == (1, 2)
    assert both.values.tolist() == [[[[6.0]]]]
