from __future__ import annotations

import pytest

from search_space.errors import UnknownNameError
from search_space.space import Space
from studies.samplers.registry import check_sampler, create_sampler, known_samplers


@pytest.mark.parametrize("name", known_samplers())
def test_every_sampler_asks_for_generations_of_the_population(tiny: Space, name: str) -> None:
    check_sampler(name)
    sampler = create_sampler(name, tiny, objectives=2, constraints=0, population=5, seed=0)
    assert len(sampler.ask()) == 5


def test_unknown_sampler_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UnknownNameError, match="nsga2"):
        check_sampler("nsga3")
