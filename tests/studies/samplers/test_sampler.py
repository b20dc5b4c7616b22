"""What holds for every sampler."""

from __future__ import annotations

import numpy as np
import pytest

from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.samplers.registry import known_samplers
from tests.studies.samplers.grid import evaluations, noise, run, sampler_of, space_of, study_of

SLOW = "optuna-gp"
"""Seconds per network over a real space."""

QUICK = [name for name in known_samplers() if name != SLOW]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("constraints", [0, 2])
def test_everything_asked_is_canonical_in_the_space_and_new(
    cifar32: DesignSpace, name: str, constraints: int
) -> None:
    limits = ("macs<=1", "params<=1")[:constraints]
    sampler = sampler_of(name, cifar32, study_of(3, constraints=limits))
    rng = np.random.default_rng(0)
    seen: set[Genotype] = set()
    for _ in range(4):
        asked = sampler.ask(10)
        assert len(asked) == len(set(asked)) == 10
        assert [cifar32.canonical(genotype) for genotype in asked] == asked
        assert seen.isdisjoint(asked)
        seen.update(asked)
        limited = {genotype: rng.uniform(0, 1.5, constraints).tolist() for genotype in asked}
        sampler.tell(
            evaluations(
                asked,
                noise(3),
                limited.__getitem__,
                is_feasible=lambda genotype: max(limited[genotype], default=0) <= 1,  # noqa: B023
            )
        )


@pytest.mark.parametrize("name", known_samplers())
def test_first_generation_begins_with_the_extremes_and_what_is_to_be_first(
    cifar32: DesignSpace, name: str
) -> None:
    first = cifar32.sample(np.random.default_rng(1)), cifar32.sample(np.random.default_rng(2))
    asked = sampler_of(name, cifar32, study_of(2), first=first).ask(10)
    assert asked[:4] == [cifar32.smallest(), cifar32.largest(), *first]
    assert len(set(asked)) == 10


@pytest.mark.parametrize("name", QUICK)
def test_seed_decides_everything(cifar32: DesignSpace, name: str) -> None:
    def asked(seed: int) -> list[list[Genotype]]:
        return run(sampler_of(name, cifar32, study_of(2), seed=seed), 4, noise(2))

    one, again, other = asked(1), asked(1), asked(2)
    assert one == again
    assert one[0][2:] != other[0][2:]
    assert one[3] != other[3]


@pytest.mark.parametrize("name", QUICK)
def test_asks_for_every_network_of_a_small_space_once_and_then_for_nothing(
    tiny: DesignSpace, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    generations = run(sampler_of(name, tiny, study_of(2)), 20, noise(2))
    assert [len(asked) for asked in generations] == [10] * 10 + [8, 0]
    assert len({genotype for asked in generations for genotype in asked}) == tiny.cardinality == 108
    assert capsys.readouterr() == ("", "")


def test_gaussian_process_asks_for_every_network_of_a_space_once() -> None:
    widths = {"stride": 2, "width": [8, 16, 24, 32]}
    space = space_of(resolution=[20, 24, 28, 32], stem=widths)
    # It begins to model when 10 networks are evaluated.
    generations = run(sampler_of(SLOW, space, study_of(2)), 9, noise(2), 4)
    assert [len(asked) for asked in generations] == [4, 4, 4, 4, 0]
    assert len({genotype for asked in generations for genotype in asked}) == 16


@pytest.mark.parametrize("name", known_samplers())
@pytest.mark.parametrize(("resolutions", "size"), [([32], 1), ([24, 32], 2)])
def test_generation_may_be_larger_than_the_space(name: str, resolutions: list[int], size: int) -> None:
    sampler = sampler_of(name, space_of(resolution=resolutions), study_of(2))
    assert [len(asked) for asked in run(sampler, 3, noise(2))] == [size, 0]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("population", [2, 3])
def test_small_populations(cifar32: DesignSpace, name: str, population: int) -> None:
    sampler = sampler_of(name, cifar32, study_of(2), population=population)
    assert [len(asked) for asked in run(sampler, 5, noise(2), population)] == [population] * 5


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("objectives", [1, 2, 6])
def test_any_number_of_objectives_constant_ones_and_equal_networks_too(
    cifar32: DesignSpace, name: str, objectives: int
) -> None:
    flat = [0.0] * (objectives - 1)
    for measured in (noise(objectives), lambda genotype: [float(genotype[0]), *flat]):
        generations = run(sampler_of(name, cifar32, study_of(objectives)), 3, measured)
        assert [len(asked) for asked in generations] == [10] * 3


@pytest.mark.parametrize("name", QUICK)
def test_nothing_feasible_is_no_obstacle(cifar32: DesignSpace, name: str) -> None:
    sampler = sampler_of(name, cifar32, study_of(2, constraints=("macs<=1",)))
    for _ in range(4):
        asked = sampler.ask(10)
        assert len(asked) == 10
        sampler.tell(
            evaluations(asked, noise(2), lambda genotype: [1.0 + sum(genotype)], is_feasible=lambda _: False)
        )
