from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.samplers.operators import reset_mutation, uniform_crossover

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, count=st.integers(1, 20), genes=st.integers(1, 30))
def test_crossover_shares_the_genes_of_the_parents_out(seed: int, count: int, genes: int) -> None:
    rng = np.random.default_rng(seed)
    parents = rng.integers(0, 5, size=(2, count, genes))
    children = uniform_crossover(parents, rng)
    assert children.shape == parents.shape
    assert (np.sort(children, axis=0) == np.sort(parents, axis=0)).all()


@given(seed=SEEDS, cardinalities=st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_mutation_stays_in_range_and_leaves_single_options_alone(seed: int, cardinalities: list[int]) -> None:
    rng = np.random.default_rng(seed)
    limits = np.array(cardinalities)
    genotypes = rng.integers(0, limits, size=(10, len(limits)))
    mutated = reset_mutation(genotypes, limits, rng)
    assert ((mutated >= 0) & (mutated < limits)).all()
    assert (mutated == genotypes)[:, limits == 1].all()


def test_mutation_changes_one_gene_on_average_to_any_other_option() -> None:
    limits = np.array([2] * 20 + [4] * 20 + [1] * 10)
    genotypes = np.zeros((20_000, 50), dtype=np.int64)
    mutated = reset_mutation(genotypes, limits, np.random.default_rng(0))
    # A draw that could return the old value would change 0.5 x 0.5 + 0.5 x 0.75 = 0.63 genes.
    assert (mutated != genotypes).sum(1).mean() == pytest.approx(1.0, abs=0.03)
    values, counts = np.unique(mutated[:, 20:40], return_counts=True)
    assert values.tolist() == [0, 1, 2, 3]
    assert counts[1:] / counts[1:].sum() == pytest.approx([1 / 3] * 3, abs=0.02)
