"""Design spaces for the tests of the search."""

from __future__ import annotations

import pytest

from search_space.space import Space
from studies.design_space.design_space import DesignSpace


@pytest.fixture(scope="session")
def cifar32(cifar32: Space) -> DesignSpace:
    """The networks of real studies on a fixed chip."""
    return DesignSpace(cifar32)


@pytest.fixture(scope="session")
def tiny(tiny: Space) -> DesignSpace:
    """108 networks on a fixed chip."""
    return DesignSpace(tiny)
