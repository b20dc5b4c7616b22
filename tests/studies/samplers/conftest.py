"""What the tests of samplers share."""

from __future__ import annotations

import pytest

from search_space.space import Space
from studies.design_space.design_space import DesignSpace
from studies.samplers import virtual_search


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predicted networks cost a second per hundred thousand; tests need no such number."""
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)


@pytest.fixture(scope="session")
def cifar32(cifar32: Space) -> DesignSpace:
    """The networks of real studies on a fixed chip."""
    return DesignSpace(cifar32)


@pytest.fixture(scope="session")
def tiny(tiny: Space) -> DesignSpace:
    """108 networks on a fixed chip."""
    return DesignSpace(tiny)
