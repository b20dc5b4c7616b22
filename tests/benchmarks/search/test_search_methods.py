from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search.search_methods import METHODS, Search, check_method, optuna_search, start
from benchmarks.search.surrogate_savings import POPULATION, Bench
from objectives.hardware import load_soc
from objectives.registry import ObjectiveContext, create_objectives
from search_space.errors import UnknownNameError
from search_space.genotype import Genotype
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.search.evaluator import Evaluator
from studies.search.search_loop import search
from studies.search.stop_rules import StopRules
from studies.storage.store import create_store
from tests.studies.quality import Quality


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench.of("cifar32", "u55-256-cim8")


def asked_for(bench: Bench, method: Search, count: int) -> list[Genotype]:
    """The first `count` genotypes of a search; the accuracy is that of `Quality`."""
    found: list[Genotype] = []
    asked = next(method)
    while len(found) + len(asked) < count:
        found += asked
        canonical = [bench.space.canonical(genotype) for genotype in asked]
        accuracies = Quality()([bench.space.decode(genotype).subnet for genotype in canonical])
        asked = method.send(bench.values(canonical, accuracies))
    return [*found, *asked][:count]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "surrogate"])
def test_a_method_asks_for_genotypes_and_follows_its_seed(bench: Bench, method: str) -> None:
    # TPE learns from its tenth network on, and takes long.
    count = 14 if "tpe" in method else 60
    found = asked_for(bench, start(method, bench, 3), count)
    cardinalities = np.array([gene.cardinality for gene in bench.space.genes])
    assert (np.array(found) >= 0).all()
    assert (np.array(found) < cardinalities).all()
    assert asked_for(bench, start(method, bench, 3), count) == found
    assert asked_for(bench, start(method, bench, 4), count) != found


def test_asking_optuna_for_a_population_at_once_changes_nothing(bench: Bench) -> None:
    settings = {"population_size": 12}
    at_once = asked_for(bench, optuna_search(bench, 5, "NSGAIISampler", 12, **settings), 60)
    assert asked_for(bench, optuna_search(bench, 5, "NSGAIISampler", 1, **settings), 60) == at_once


def test_ours_searches_as_a_study_does(bench: Bench, tmp_path: Path) -> None:
    quality = Quality(name="acc")
    context = ObjectiveContext(load_soc("u55-256-cim8"), lambda: quality)
    study = bench.study
    with create_store(tmp_path / "studies.db") as store:
        store.add(study)
        sampler = create_sampler(
            "nsga2", SamplerContext(space=bench.space, study=study, population=POPULATION, seed=1)
        )
        evaluator = Evaluator(bench.space, create_objectives(["acc", "lat", "energy"], context))
        *_, last = search(
            study=study,
            sampler=sampler,
            evaluator=evaluator,
            store=store,
            population=POPULATION,
            rules=StopRules(generations=3),
        )
        rows = store.evaluations(study.name)
    found = asked_for(bench, start("nsga2", bench, 1), 3 * POPULATION)
    assert [row.genotype for row in rows] == found
    accuracies = quality([bench.space.decode(genotype).subnet for genotype in found])
    values = bench.values(found, accuracies)
    assert np.array([row.values for row in rows], dtype=np.float64) == pytest.approx(values, rel=1e-12)
    again = bench.evaluations(found, values, 0)
    assert study.hypervolume(again) == pytest.approx(last.hypervolume, rel=1e-12)


def test_unknown_method() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'optuna-tpe'"):
        check_method("optuna-tp")


def test_random_draws_every_option(bench: Bench) -> None:
    drawn = np.concatenate([np.array(one) for one in islice(_told(start("random", bench, 0)), 20)])
    for column, gene in enumerate(bench.space.genes):
        shares = np.bincount(drawn[:, column], minlength=gene.cardinality) / len(drawn)
        assert np.abs(shares - 1 / gene.cardinality).max() < 0.1


def _told(method: Search) -> Search:
    yield next(method)
    while True:
        yield method.send(np.zeros((POPULATION, 3)))
