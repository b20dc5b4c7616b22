from __future__ import annotations

import pytest

from benchmarks.search import sampler_cost as samplers
from search_space.errors import UnknownNameError
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace


def test_figures_of_every_sampler_named_and_of_random() -> None:
    found = samplers.figures(
        ["nsga2", "local"], DesignSpace(load_space("cifar32")), evaluations=40, population=8, seed=0
    )
    assert list(found) == ["random", "nsga2", "local"]
    assert found["random"]["times_random"] == 1.0
    for figures in found.values():
        assert figures["replay_s"] >= figures["generation_ms"] / 1e3 > 0


def test_unknown_sampler_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UnknownNameError, match="nsga2"):
        samplers.main(["--sampler", "nsga2,none"])
