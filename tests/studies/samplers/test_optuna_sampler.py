from __future__ import annotations

import pytest

from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.samplers.optuna_sampler import OptunaSampler
from tests.studies.samplers.grid import evaluations, noise, sampler_of, study_of


@pytest.mark.parametrize("name", ["optuna-tpe", "optuna-nsga2", "optuna-nsga3"])
def test_optuna_is_told_of_the_networks_that_were_evaluated(tiny: DesignSpace, name: str) -> None:
    study = study_of(2, constraints=("macs<=50", "params<=50"))
    sampler = sampler_of(name, tiny, study)
    assert isinstance(sampler, OptunaSampler)

    def limited(genotype: Genotype) -> tuple[float, float]:
        return 100.0 if genotype[0] else 25.0, 50.0

    told = []
    for _ in range(3):
        rows = evaluations(sampler.ask(10), noise(2), limited, is_feasible=lambda one: not one[0])
        sampler.tell(rows)
        told += rows
    choices = [gene.name for gene in tiny.genes if gene.cardinality > 1]
    finished = [trial for trial in sampler._trials.trials if trial.state.name == "COMPLETE"]
    assert len(finished) == len(told) == 30
    for trial, row in zip(finished, told, strict=True):
        named = {gene.name: value for gene, value in zip(tiny.genes, row.genotype, strict=True)}
        assert trial.params == {name: named[name] for name in choices}
        expected = [1.0, 1.0] if row.genotype[0] else [value / 100 for value in noise(2)(row.genotype)]
        assert trial.values == pytest.approx(expected)
        assert trial.constraints == {"macs<=50": 1.0 if row.genotype[0] else -0.5, "params<=50": 0.0}
    assert all(trial.state.is_finished() for trial in sampler._trials.trials)


@pytest.mark.parametrize("name", ["optuna-nsga2", "optuna-nsga3"])
def test_genetic_samplers_count_our_generations(cifar32: DesignSpace, name: str) -> None:
    sampler = sampler_of(name, cifar32, study_of(2))
    assert isinstance(sampler, OptunaSampler)
    for _ in range(4):
        sampler.tell(evaluations(sampler.ask(10), noise(2)))
    finished = [trial for trial in sampler._trials.trials if trial.state.name == "COMPLETE"]
    generations = [
        value
        for trial in finished
        for key, value in trial.system_attrs.items()
        if key.endswith(":generation")
    ]
    assert generations == [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10
