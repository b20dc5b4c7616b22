from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.document import parse_document
from search_space.genotype import Genotype
from search_space.space import Space
from studies.front import hypervolume, nondominated
from studies.samplers.nsga2 import NSGA2Sampler, reset_mutation, uniform_crossover

SEEDS = st.integers(0, 2**32 - 1)
NO_LIMITS = np.empty((0, 0))


def space_of(**choices: object) -> Space:
    """A space of one stage that down-samples by patch merging; `choices` replace its options."""
    stage = {
        "stride": 2,
        "width": [16],
        "downsampling": {"kind": ["patch_merging"], "kernel": [3], "expansion": [1]},
        "conv_depth": [0],
        "vit_depth": [0],
    }
    document = {
        "name": "grid",
        "resolution": [32],
        "stem": {"stride": 2, "width": [16]},
        "stages": [stage],
        "head": {"width": 16, "classes": 10},
    }
    return parse_document(Space, document | choices, source="test")


def sizes(genotypes: list[Genotype]) -> np.ndarray:
    """Two objectives in conflict, shape (n, 2): sum of the genes, and of their squared distances to 3."""
    genes = np.array(genotypes, dtype=np.float64)
    return np.stack([genes.sum(1), ((3 - genes) ** 2).sum(1)], axis=1)


def run(sampler: NSGA2Sampler, generations: int) -> list[list[Genotype]]:
    """Asks and tells `sizes` without constraints."""
    asked = []
    for _ in range(generations):
        asked.append(sampler.ask())
        if not asked[-1]:
            break
        sampler.tell(sizes(asked[-1]), np.empty((len(asked[-1]), 0)))
    return asked


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


@settings(max_examples=10)
@given(seed=SEEDS, population=st.integers(2, 12), constraints=st.integers(0, 2))
def test_everything_asked_is_canonical_in_the_space_and_new(
    cifar32: Space, seed: int, population: int, constraints: int
) -> None:
    sampler = NSGA2Sampler(cifar32, objectives=3, constraints=constraints, population=population, seed=seed)
    rng = np.random.default_rng(seed)
    seen: set[Genotype] = set()
    for _ in range(5):
        asked = sampler.ask()
        assert len(asked) == len(set(asked)) == population
        assert [cifar32.canonical(genotype) for genotype in asked] == asked
        assert seen.isdisjoint(asked)
        seen.update(asked)
        violations = rng.normal(size=(population, constraints))
        losses = rng.random((population, 3))
        losses[(violations > 0).any(axis=1)] = np.nan
        sampler.tell(losses, violations)


def test_first_generation_is_whole_and_begins_with_the_extremes(cifar32: Space) -> None:
    first = NSGA2Sampler(cifar32, objectives=2, population=30, seed=3).ask()
    assert first[:2] == [cifar32.smallest(), cifar32.largest()]
    assert len(set(first)) == 30


def test_seed_decides_everything(cifar32: Space) -> None:
    def asked(seed: int) -> list[list[Genotype]]:
        return run(NSGA2Sampler(cifar32, objectives=2, population=8, seed=seed), 6)

    assert asked(1) == asked(1)
    assert asked(1)[0][2:] != asked(2)[0][2:]


def test_asks_for_every_network_of_a_small_space_once_and_then_for_nothing(
    tiny: Space, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny.cardinality == 108
    generations = run(NSGA2Sampler(tiny, objectives=2, population=10, seed=0), 20)
    assert [len(asked) for asked in generations] == [10] * 10 + [8, 0]
    assert len({genotype for asked in generations for genotype in asked}) == 108
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("population", [2, 3, 200])
def test_population_may_be_larger_than_the_space(population: int) -> None:
    space = space_of(resolution=[24, 32])
    generations = run(NSGA2Sampler(space, objectives=2, population=population, seed=0), 3)
    assert [len(asked) for asked in generations] == [2, 0]


def test_space_of_one_network() -> None:
    generations = run(NSGA2Sampler(space_of(), objectives=2, population=4, seed=0), 3)
    assert [len(asked) for asked in generations] == [1, 0]


@pytest.mark.parametrize("objectives", range(1, 7))
def test_any_number_of_objectives(cifar32: Space, objectives: int) -> None:
    sampler = NSGA2Sampler(cifar32, objectives=objectives, population=6, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(4):
        assert len(sampler.ask()) == 6
        sampler.tell(rng.random((6, objectives)), np.empty((6, 0)))


def grid() -> Space:
    """4 options for each of 6 genes: 4,096 networks."""
    stage = {
        "stride": 1,
        "width": [16, 24, 32, 40],
        "downsampling": {"kind": ["patch_merging"], "kernel": [3], "expansion": [1]},
        "conv_depth": [0],
        "vit_depth": [0],
    }
    return space_of(
        resolution=[20, 24, 28, 32], stem={"stride": 1, "width": [8, 16, 24, 32]}, stages=[stage] * 4
    )


def test_finds_the_front_of_a_space_that_can_be_enumerated() -> None:
    space = grid()
    every = [space.canonical(genes) for genes in product(*(range(gene.cardinality) for gene in space.genes))]
    assert len(set(every)) == space.cardinality == 4096
    active = np.array([gene.cardinality > 1 for gene in space.genes])

    def losses(genotypes: list[Genotype]) -> np.ndarray:
        return sizes([tuple(np.array(genotype)[active]) for genotype in genotypes])

    sampler = NSGA2Sampler(space, objectives=2, population=24, seed=0)
    asked: list[Genotype] = []
    for _ in range(30):
        batch = sampler.ask()
        asked += batch
        sampler.tell(losses(batch), np.empty((len(batch), 0)))
    truth, found = losses(every), losses(asked)
    front = {tuple(row) for row in truth[nondominated(truth)]}
    # For each sum of genes the even spread is best: 0 to 18, so 19 different points.
    assert len(front) == 19
    assert {tuple(row) for row in found[nondominated(found)]} == front

    random = losses(every)[np.random.default_rng(0).permutation(4096)[: len(asked)]]
    box = np.zeros(2), truth.max(0)
    assert hypervolume(found, *box) > hypervolume(random, *box)


def test_infeasible_networks_give_way_to_feasible_ones() -> None:
    # Feasible: sum of genes at most 5 of 18, some 7 % of the space.
    space = grid()
    sampler = NSGA2Sampler(space, objectives=2, constraints=1, population=20, seed=0)
    shares = []
    for _ in range(12):
        batch = sampler.ask()
        genes = np.array(batch, dtype=np.float64)
        violations = genes.sum(1, keepdims=True) / 5 - 1
        losses = sizes(batch)
        losses[violations[:, 0] > 0] = np.nan
        sampler.tell(losses, violations)
        shares.append(float((violations <= 0).mean()))
    assert np.mean(shares[-3:]) > 3 * shares[0]
