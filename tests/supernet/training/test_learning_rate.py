from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supernet.training.learning_rate import learning_rate
from supernet.training.phases import CONSTANT, COSINE, Phase

HYBRID = Phase("hybrid", 5, 1e-3, 3)


def rate(progress: float, warm_up: float = 1.0, schedule: str = COSINE) -> float:
    return learning_rate(HYBRID, progress, warm_up_epochs=warm_up, schedule=schedule)


def test_learning_rate_at_its_corners() -> None:
    assert rate(0.0) == 0
    assert rate(0.5) == pytest.approx(5e-4)
    assert rate(1.0) == pytest.approx(1e-3)
    assert rate(3.0) == pytest.approx(5e-4)  # half way down the cosine
    assert rate(5.0) == pytest.approx(0)
    assert rate(0.0, warm_up=0.0) == pytest.approx(1e-3)
    assert rate(0.5, schedule=CONSTANT) == pytest.approx(5e-4)
    assert rate(4.9, schedule=CONSTANT) == 1e-3


@given(st.floats(0, 5), st.floats(0, 10), st.sampled_from([COSINE, CONSTANT]))
def test_learning_rate_stays_within_its_peak(progress: float, warm_up: float, schedule: str) -> None:
    assert 0 <= rate(progress, warm_up, schedule) <= 1e-3 * (1 + 1e-9)
