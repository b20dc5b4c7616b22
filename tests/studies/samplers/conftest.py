"""What the tests of samplers share."""

from __future__ import annotations

import pytest

from studies.samplers import virtual_search


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predicted networks cost a second per hundred thousand; tests need no such number."""
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)
