"""The two-phase schedule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.families import Family, family
from search_space.space import Space, load_space
from supernet.phases import learning_rate, phase_at, sandwich
from supernet.training import Recipe

PHASES = Recipe(
    cnn_epochs=3,
    hybrid_epochs=5,
    cnn_rate=2e-3,
    hybrid_rate=1e-3,
    cnn_random_subnets=20,
    hybrid_random_subnets=3,
).phases


def test_epochs_belong_to_phases_in_order() -> None:
    names = [(phase_at(PHASES, epoch)[0].name, phase_at(PHASES, epoch)[1]) for epoch in range(8)]
    assert names == [("cnn", 0), ("cnn", 1), ("cnn", 2), *(("hybrid", number) for number in range(5))]
    with pytest.raises(IndexError):
        phase_at(PHASES, 8)


def test_a_phase_of_no_epochs_is_left_out() -> None:
    phases = Recipe(cnn_epochs=0, hybrid_epochs=5).phases
    assert [phase.name for phase in phases] == ["hybrid"]


def test_learning_rate_at_its_corners() -> None:
    phase = PHASES[1]
    assert learning_rate(phase, 0.0, 1.0) == 0
    assert learning_rate(phase, 0.5, 1.0) == pytest.approx(5e-4)
    assert learning_rate(phase, 1.0, 1.0) == pytest.approx(1e-3)
    assert learning_rate(phase, 3.0, 1.0) == pytest.approx(5e-4)  # half way down the cosine
    assert learning_rate(phase, 5.0, 1.0) == pytest.approx(0)
    assert learning_rate(phase, 0.0, 0.0) == pytest.approx(1e-3)


@given(st.floats(0, 5), st.floats(0, 10))
def test_learning_rate_stays_within_its_peak(progress: float, warm_up: float) -> None:
    assert 0 <= learning_rate(PHASES[1], progress, warm_up) <= 1e-3 * (1 + 1e-9)


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space("cifar32")


def test_phase_one_trains_no_transformer_block(space: Space) -> None:
    subnets = sandwich(space, PHASES[0], np.random.default_rng(0))
    assert len(subnets) == 22
    assert {family(subnet) for subnet in subnets} == {Family.CNN}
    assert subnets[0].conv_blocks == space.decode(space.largest()).conv_blocks


def test_phase_two_trains_the_whole_space(space: Space) -> None:
    subnets = sandwich(space, PHASES[1], np.random.default_rng(0))
    assert subnets[0] == space.decode(space.largest())
    assert subnets[1] == space.decode(space.smallest())
    assert subnets[2:] == [
        space.decode(space.sample(rng)) for rng in [np.random.default_rng(0)] for _ in "abc"
    ]
