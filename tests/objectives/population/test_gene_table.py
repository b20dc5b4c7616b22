from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.population.gene_table import GeneColumns, GeneTable, grouped, merged, without_idle_genes
from search_space.genotype import GenotypeError
from search_space.space import load_space

SPACE = load_space("cifar32")
CARDINALITIES = [gene.cardinality for gene in SPACE.genes]


def table(genes: tuple[int, ...], seed: int = 0, value: tuple[int, ...] = (2,)) -> GeneTable:
    sizes = tuple(CARDINALITIES[gene] for gene in genes)
    return GeneTable(genes, np.random.default_rng(seed).integers(0, 100, (*sizes, *value)).astype(float))


def at(one: GeneTable, genotype: tuple[int, ...]) -> np.ndarray:
    value: np.ndarray = one.values[tuple(genotype[gene] for gene in one.genes)]
    return value


def sum_at(tables: list[GeneTable], genotype: tuple[int, ...]) -> list[float]:
    total: list[float] = np.sum([at(one, genotype) for one in tables], axis=0).tolist()
    return total


genotypes = st.tuples(*(st.integers(0, cardinality - 1) for cardinality in CARDINALITIES))
gene_sets = st.sets(st.integers(0, 15), max_size=4).map(lambda genes: tuple(sorted(genes)))


@given(first=gene_sets, second=gene_sets, genotype=genotypes)
def test_a_sum_is_the_sum_for_every_genotype(
    first: tuple[int, ...], second: tuple[int, ...], genotype: tuple[int, ...]
) -> None:
    one, other = table(first, 1), table(second, 2)
    assert (at(one + other, genotype) == at(one, genotype) + at(other, genotype)).all()


@given(sets=st.lists(gene_sets, min_size=1, max_size=6), limit=st.integers(1, 400), genotype=genotypes)
def test_merging_keeps_the_sum_and_the_limit(
    sets: list[tuple[int, ...]], limit: int, genotype: tuple[int, ...]
) -> None:
    tables = [table(genes, seed) for seed, genes in enumerate(sets)]
    fewer = merged(tables, limit)
    assert sum_at(fewer, genotype) == sum_at(tables, genotype)
    assert all(one.rows <= limit or one.genes in sets for one in fewer)


@given(genes=gene_sets, genotype=genotypes)
def test_rows_are_where_the_values_are(genes: tuple[int, ...], genotype: tuple[int, ...]) -> None:
    tables = [table(genes), table((3, 7))]
    of_space = GeneColumns(SPACE)
    columns = of_space(np.array([genotype, genotype]))
    for one in tables:
        numbers = of_space.rows(columns, one.genes)
        flat = one.values.reshape(one.rows, *one.value_shape)
        assert (flat[numbers] == at(one, genotype)).all()


def test_where_and_moved_in_closed_form() -> None:
    one = GeneTable((1, 4), np.array([[1.0, 2.0], [3.0, 4.0]]))
    mask = GeneTable((2,), np.array([True, False]))
    assert one.where(mask).values.tolist() == [[[1, 2], [0, 0]], [[3, 4], [0, 0]]]
    swapped = one.moved([9, 5])
    assert swapped.genes == (5, 9)
    assert swapped.values.tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 3), dtype=int), "must have shape"),
        (np.zeros(len(CARDINALITIES), dtype=int), "must have shape"),
        (np.full((1, len(CARDINALITIES)), -1), "gene resolution must be 0 to 2 .*, but got -1"),
        (np.full((1, len(CARDINALITIES)), 3), "gene resolution must be 0 to 2 .*, but got 3"),
    ],
)
def test_what_is_no_genotype_is_refused(rows: np.ndarray, message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        GeneColumns(SPACE)(rows)


@given(genes=gene_sets, group=gene_sets, genotype=genotypes)
def test_a_derived_gene_keeps_the_function(
    genes: tuple[int, ...], group: tuple[int, ...], genotype: tuple[int, ...]
) -> None:
    one = table(genes)
    one = GeneTable(genes, one.values // 50)  # few different values
    inside = set(genes) & set(group)
    if not inside:
        return
    few, derived = grouped(one, inside, len(CARDINALITIES))
    assert set(derived.genes) == inside
    assert few.genes == (*sorted(set(genes) - inside), len(CARDINALITIES))
    of_space = GeneColumns(SPACE, [derived])
    columns = of_space(np.array([genotype]))
    flat = few.values.reshape(few.rows, *few.value_shape)
    assert (flat[of_space.rows(columns, few.genes)[0]] == at(one, genotype)).all()
    if inside == set(genes):
        assert len(np.unique(flat, axis=0)) == len(flat)


def test_genes_that_decide_nothing_are_left_out() -> None:
    one = GeneTable((1, 4, 7), np.array([[[1.0, 1.0], [2.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]]))
    fewer = without_idle_genes(one)
    assert fewer.genes == (4,)
    assert fewer.values.tolist() == [1, 2]
