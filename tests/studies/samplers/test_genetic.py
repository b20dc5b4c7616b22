from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from search_space.genotype import Genotype
from studies.study.hypervolume import hypervolume
from studies.study.pareto_front import nondominated
from tests.studies.samplers.grid import GRID, evaluations, run, sampler_of, sizes, study_of


@pytest.mark.parametrize("name", ["nsga2", "sms"])
def test_finds_the_front_of_a_space_that_can_be_enumerated(name: str) -> None:
    space = GRID
    every = [space.canonical(genes) for genes in product(*(range(gene.cardinality) for gene in space.genes))]
    assert len(set(every)) == space.cardinality == 4096
    study = study_of(2, worst=54.0)
    asked = [
        one for batch in run(sampler_of(name, space, study, population=24), 30, sizes, 24) for one in batch
    ]
    truth, found = (np.array([sizes(one) for one in genotypes]) for genotypes in (every, asked))
    front = {tuple(row) for row in truth[nondominated(truth)]}
    # For each sum of genes the even spread is best: 0 to 18, so 19 different points.
    assert len(front) == 19
    assert {tuple(row) for row in found[nondominated(found)]} == front

    random = truth[np.random.default_rng(0).permutation(4096)[: len(asked)]]
    assert hypervolume(found, *study.box) > hypervolume(random, *study.box)


@pytest.mark.parametrize("name", ["nsga2", "rnsga2", "sms", "local", "optuna-nsga2", "optuna-tpe"])
def test_infeasible_networks_give_way_to_feasible_ones(name: str) -> None:
    # Feasible: sum of genes at most 5 of 18, some 7 % of the space.
    sampler = sampler_of(name, GRID, study_of(2, constraints=("macs<=5",)), population=20)
    shares = []
    for _ in range(8):
        batch = sampler.ask(20)
        feasible = [sum(genotype) <= 5 for genotype in batch]
        sampler.tell(
            evaluations(
                batch,
                sizes,
                lambda genotype: [float(sum(genotype))],
                is_feasible=lambda genotype: sum(genotype) <= 5,
            )
        )
        shares.append(float(np.mean(feasible)))
    assert np.mean(shares[-3:]) > 2 * shares[0]


@pytest.mark.parametrize(("preferred", "near"), [((3.0, 40.0), 3), ((15.0, 3.0), 15)])
def test_preferences_draw_the_search_near(preferred: tuple[float, float], near: int) -> None:
    sampler = sampler_of("rnsga2", GRID, study_of(2, worst=54.0), population=20, preferences=(preferred,))
    batches = run(sampler, 12, sizes, 20)
    sums = np.array([[sum(genotype) for genotype in batch] for batch in batches])
    assert abs(sums[-3:].mean() - near) < abs(sums[0].mean() - near)
    assert abs(sums[-3:].mean() - near) < 3


def test_without_a_preference_the_ideal_is_sought() -> None:
    def asked(**preferences: tuple[tuple[float, float], ...]) -> list[list[Genotype]]:
        return run(sampler_of("rnsga2", GRID, study_of(2), **preferences), 5, sizes)

    assert asked() == asked(preferences=((0.0, 0.0),)) != asked(preferences=((9.0, 0.0),))
