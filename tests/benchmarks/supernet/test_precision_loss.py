"""Figures that compare precisions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.supernet.precision_loss import compared
from search_space.families import Family


def test_figures_by_hand() -> None:
    exact = np.array([80.0, 70.0, 60.0, 50.0])
    values = np.array([79.0, 70.5, 49.0, 50.0])  # of six pairs one is turned round
    families = [Family.CNN, Family.CNN, Family.MIXED, Family.MIXED]
    found = compared(values, exact, families)
    assert found["tau"] == pytest.approx(4 / 6)
    assert found["difference"]["mean"] == pytest.approx(-11.5 / 4)
    assert found["difference"]["largest"] == 11
    assert found["families"] == {
        "cnn": {"subnets": 2, "mean": 0.25, "largest": 1.0},
        "mixed": {"subnets": 2, "mean": 5.5, "largest": 11.0},
    }
