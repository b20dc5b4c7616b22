from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from studies.samplers.expected_gain import choose, spread_points
from studies.study.hypervolume import hypervolume

NO_FRONT = np.empty((0, 2))


def certain(*losses: tuple[float, ...]) -> np.ndarray:
    return np.array([losses], dtype=np.float64)


def test_takes_what_adds_most_then_what_adds_most_beside_it() -> None:
    # Alone (0.2, 0.2) dominates 0.64, the next ones 0.60 and 0.36; but what (0.25, 0.2) dominates is taken.
    found = choose(certain((0.25, 0.2), (0.2, 0.2), (0.9, 0.0), (0.0, 0.9)), NO_FRONT, 4, pivot=0)
    assert found[0] == 1
    assert set(found[1:]) == {2, 3}  # (0.25, 0.2) adds nothing and is left out.


def test_what_the_front_dominates_is_not_chosen() -> None:
    front = np.array([[0.3, 0.3]])
    assert choose(certain((0.4, 0.4), (0.3, 0.3)), front, 2, pivot=1) == []
    assert choose(certain((0.4, 0.4), (0.2, 0.5)), front, 2, pivot=1) == [1]


@pytest.mark.parametrize("pivot", [0, 1, 2])
def test_greedy_is_as_good_as_hypervolumes_of_all_sets_allow(pivot: int) -> None:
    rng = np.random.default_rng(0)
    losses, front = rng.uniform(0.2, 1, (1, 10, 3)), rng.uniform(0.5, 1, (4, 3))
    found = choose(losses, front, 3, pivot=pivot)

    def volume(rows: tuple[int, ...]) -> float:
        return hypervolume(np.concatenate([front, losses[0, list(rows)]]), np.zeros(3), np.ones(3))

    before = volume(())
    best = max(volume(rows) for rows in combinations(range(10), 3)) - before
    assert volume(tuple(found)) - before >= 0.95 * best


def test_the_mean_over_samples_counts() -> None:
    # Row 0 is good or useless, row 1 is surely middling: (0.81 + 0) / 2 = 0.405 against 0.36.
    losses = np.array([[[0.1, 0.1], [0.4, 0.4]], [[1.0, 1.0], [0.4, 0.4]]])
    assert choose(losses, NO_FRONT, 1, pivot=0) == [0]
    losses[0, 0] = 0.2  # (0.64 + 0) / 2 = 0.32.
    assert choose(losses, NO_FRONT, 1, pivot=0) == [1]


def test_networks_that_turn_out_alike_are_not_both_chosen_before_another() -> None:
    rng = np.random.default_rng(0)
    shared = rng.uniform(0.3, 0.6, (64, 1))
    alone = rng.uniform(0.35, 0.65, (64, 1))
    pivot = np.concatenate([shared, shared, alone], axis=1)
    losses = np.stack([pivot, np.broadcast_to(0.5, pivot.shape)], axis=2)
    assert choose(losses, NO_FRONT, 2, pivot=0) == [0, 2]


def test_one_objective_and_no_candidates() -> None:
    assert choose(certain((0.5,), (0.4,), (0.7,)), np.array([[0.6]]), 3, pivot=0) == [1]
    assert choose(np.empty((4, 0, 2)), NO_FRONT, 3, pivot=0) == []


def test_points_are_spread_evenly() -> None:
    for dimensions in (1, 2, 5):
        points = spread_points(1024, dimensions)
        assert points.shape == (1024, dimensions)
        assert points.min() >= 0
        assert points.max() < 1
        for corner in (0.25, 0.5, 0.8):
            assert (points < corner).all(axis=1).mean() == pytest.approx(corner**dimensions, abs=0.03)
    assert spread_points(3, 0).shape == (3, 0)
