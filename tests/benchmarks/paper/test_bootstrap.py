"""Paired bootstrap: counts by hand, what equal fronts give, and an interval with a known width."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper.bootstrap import Resampling, estimate, resampling
from benchmarks.paper.measures import Front, measured


def test_the_first_row_is_the_sample() -> None:
    rows = resampling(5, 40, 10)
    assert rows.seeds.shape == (11, 5)
    assert rows.images.shape == (11, 40)
    assert (rows.seeds[0] == 1).all()
    assert (rows.images[0] == 1).all()
    assert (rows.seeds.sum(axis=1) == 5).all()
    assert (rows.images.sum(axis=1) == 40).all()
    assert len(np.unique(rows.images, axis=0)) == 11
    assert np.array_equal(rows.images, resampling(5, 40, 10).images)


def test_accuracies_by_hand() -> None:
    """Image 0 is drawn once, image 1 not at all, image 2 three times."""
    rows = Resampling(np.ones((2, 1), np.int64), np.array([[1, 1, 1, 1], [1, 0, 3, 0]]))
    answers = np.array([[True, True, False, False], [False, False, True, True]])
    assert rows.accuracies(answers).tolist() == [[50, 50], [25, 75]]


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_accuracies_are_exact(images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers = rng.random((3, images)) < 0.7
    found = resampling(2, images, 4)
    expected = 100 * (found.images[:, None, :] * answers).sum(axis=2) / images
    assert (found.accuracies(answers) == expected).all()


def test_mean_over_seeds_by_hand() -> None:
    nan, inf = math.nan, math.inf
    rows = Resampling(np.array([[1, 1], [2, 0], [0, 2], [1, 1], [1, 1], [2, 0]]), np.ones((6, 1), np.int64))
    values = [np.array([1.0, 1, 1, nan, nan, 1]), np.array([4.0, 4, 4, 4, nan, inf])]
    found = rows.mean_over_seeds(values).tolist()
    assert found[:4] == [2.5, 1, 4, 4]
    assert math.isnan(found[4])
    assert found[5] == 1  # The infinite value of a seed that was not drawn does not count.


def test_equal_fronts_have_the_interval_zero() -> None:
    rng = np.random.default_rng(1)
    rows = resampling(2, 100, 50)
    accuracies = rows.accuracies(rng.random((6, 100)) < np.linspace(0.4, 0.9, 6)[:, None])
    one = Front(np.arange(1.0, 7.0), accuracies, np.ones(6), np.ones(6))
    figures = measured(one, one)
    for name in ("saved_mean", "saved_most", "gained_mean", "gained_most"):
        found = estimate(rows.mean_over_seeds([figures[name], figures[name]]))
        assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_interval_of_an_accuracy_is_that_of_its_binomial() -> None:
    """80 % of 400 images: the standard error is sqrt(0.8 * 0.2 / 400) = 2 points, so 1.96 * 2 each way."""
    rows = resampling(1, 400, 2000)
    answers = (np.arange(400) < 320)[None]
    found = estimate(rows.accuracies(answers)[:, 0])
    assert found.value == 80
    assert found.low == pytest.approx(80 - 3.92, abs=0.5)
    assert found.high == pytest.approx(80 + 3.92, abs=0.5)


def test_seeds_that_differ_widen_the_interval() -> None:
    rows = resampling(5, 1, 2000)
    values = [np.full(2001, float(seed)) for seed in range(5)]
    found = estimate(rows.mean_over_seeds(values))
    # Mean of five draws of 0 to 4: standard deviation sqrt(2 / 5) = 0.632.
    assert found.value == 2
    assert found.low == pytest.approx(2 - 1.24, abs=0.25)
    assert found.high == pytest.approx(2 + 1.24, abs=0.25)


def test_without_resamples_there_is_no_interval() -> None:
    found = estimate(np.array([3.0]))
    assert found.value == 3
    assert math.isnan(found.low)
    assert estimate(np.array([3.0, 1.0, math.nan, 1.0])).high == 1
