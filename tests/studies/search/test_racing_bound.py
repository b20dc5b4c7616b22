from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.arrays import Booleans, Floats
from studies.search.racing_bound import is_rejected, upper_bound

IMAGES = 300


def population(seed: int) -> tuple[Booleans, Floats]:
    """What a network is right on, and what was expected of it, well or badly."""
    rng = np.random.default_rng(seed)
    likely = rng.beta(2, 0.5 + rng.random(), IMAGES)
    right = rng.random(IMAGES) < likely
    kind = seed % 4
    if kind == 0:
        return right, likely
    if kind == 1:  # that of a single other network
        return right, (rng.random(IMAGES) < likely).astype(np.float64)
    if kind == 2:  # nothing known
        return right, np.full(IMAGES, 0.5)
    return right, 1 - likely  # wrong throughout


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("error", [0.1, 0.02])
def test_what_is_true_is_rejected_at_any_look_no_oftener_than_stated(seed: int, error: float) -> None:
    right, expected = population(seed)
    rng = np.random.default_rng(seed)
    trials, rejected, above = 1000, 0, 0
    for _ in range(trials):
        order = rng.permutation(IMAGES)
        # Once a capital is large enough it counts for good: the last look stands for all before it.
        seen, known = right[order][: IMAGES - 20], expected[order]
        rejected += is_rejected(int(right.sum()), seen, known, error)
        if _ < 100:
            above += upper_bound(seen[:150], known, error) < right.sum()
    assert rejected <= trials * error + 3 * np.sqrt(trials * error * (1 - error))
    assert above <= 100 * error + 3 * np.sqrt(100 * error * (1 - error))


def test_the_rate_of_errors_is_not_far_below_what_is_stated() -> None:
    # A rule that never stops anything would hold its promise as well.
    right, expected = population(0)
    rng = np.random.default_rng(1)
    rejected = 0
    for _ in range(500):
        order = rng.permutation(IMAGES)
        rejected += is_rejected(int(right.sum()), right[order][: IMAGES - 20], expected[order], 0.1)
    assert rejected >= 10


def test_large_differences_are_found_on_few_images() -> None:
    rng = np.random.default_rng(0)
    likely = rng.beta(2, 0.5, 2000)
    right = rng.random(2000) < 0.88 * likely
    best = int(likely.sum())
    assert best - right.sum() > 160
    assert is_rejected(best, right[:512], likely, 0.05)
    assert right.sum() <= upper_bound(right[:512], likely, 0.05) < best


def test_knowing_what_is_difficult_saves_images() -> None:
    needed = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        likely = rng.beta(0.6, 0.15, 2000)
        right = rng.random(2000) < 0.97 * likely
        for expected in (likely, np.full(2000, likely.mean())):
            seen = (
                n for n in range(50, 2000, 50) if is_rejected(round(likely.sum()), right[:n], expected, 0.1)
            )
            needed.append(next(seen, 2000))
    informed, ignorant = np.reshape(needed, (20, 2)).mean(axis=0)
    assert informed < 0.8 * ignorant


@pytest.mark.parametrize(("error", "rejected"), [(1 / 1.18, True), (1 / 1.19, False)])
def test_capital_by_hand(error: float, rejected: bool) -> None:
    # One right image of two, none of them likelier than the other: m = 0. The first is wrong; the halves of
    # the capital grow by 1 + 0.25 / 2 and 1 + 0.5 / 2, together to 1.1875.
    assert is_rejected(1, np.array([False]), np.array([0.5, 0.5]), error) == rejected


def test_what_is_certain_needs_no_bets() -> None:
    seen, expected = np.array([True, False, False]), np.full(5, 0.5)
    assert not is_rejected(1, seen, expected, 0.999)
    assert is_rejected(4, seen, expected, 1e-12)
    assert 1 <= upper_bound(seen, expected, 1e-12) <= 3
    assert upper_bound(np.array([True, False, True]), np.full(3, 0.5), 0.1) == 2


@given(seed=st.integers(0, 10_000), first=st.integers(1, IMAGES), more=st.integers(0, IMAGES))
def test_bounds_shrink_with_the_images_and_agree_with_what_is_rejected(
    seed: int, first: int, more: int
) -> None:
    right, expected = population(seed)
    last = min(first + more, IMAGES)
    early, late = (upper_bound(right[:seen], expected, 0.1) for seen in (first, last))
    # Where the bound was too low, what has been seen tells in the end.
    assert late <= max(early, right[:last].sum())
    assert right[:last].sum() <= late <= right[:last].sum() + IMAGES - last
    for total in range(0, IMAGES + 1, 7):
        assert is_rejected(total, right[:first], expected, 0.1) == (total > early)
