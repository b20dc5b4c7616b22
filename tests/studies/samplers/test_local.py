from __future__ import annotations

from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.study.evaluation import Evaluation
from tests.studies.samplers.grid import evaluations, sampler_of, study_of


def test_later_generations_lie_beside_the_front(cifar32: DesignSpace) -> None:
    def measured(genotype: Genotype) -> tuple[float, float]:
        return float(sum(genotype)), 100.0 - sum(genotype[:20])

    study = study_of(2)
    sampler = sampler_of("local", cifar32, study)
    seen: list[Evaluation] = []
    for generation in range(4):
        front = study.front(seen)
        beside = {one for member in front for one in cifar32.neighbours(member.genotype)}
        asked = sampler.ask(10)
        if generation:
            assert set(asked) <= beside
        told = evaluations(asked, measured)
        sampler.tell(told)
        seen += told


def test_every_member_of_the_front_gets_its_turn(cifar32: DesignSpace) -> None:
    sampler = sampler_of("local", cifar32, study_of(2), population=6)
    first = sampler.ask(6)
    # All of them on the front.
    values = {genotype: (float(place), 50.0 - place) for place, genotype in enumerate(first)}
    sampler.tell(evaluations(first, values.__getitem__))
    asked = sampler.ask(6)
    for member in first:
        assert set(cifar32.neighbours(member)) & set(asked)


def test_where_nothing_is_feasible_the_least_infeasible_is_improved(cifar32: DesignSpace) -> None:
    sampler = sampler_of("local", cifar32, study_of(2, constraints=("macs<=1",)))
    first = sampler.ask(10)
    excess = {genotype: [2.0 + (place != 6)] for place, genotype in enumerate(first)}
    sampler.tell(evaluations(first, lambda _: (0.0, 0.0), excess.__getitem__, is_feasible=lambda _: False))
    assert set(sampler.ask(10)) <= set(cifar32.neighbours(first[6]))
