"""The process against its textbook formulas, and what a forecast has to hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import linalg

from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from studies.samplers import gaussian_process
from studies.samplers.gaussian_process import (
    MOST_LEARNED,
    NUGGETS,
    SQUARED_LENGTHS,
    GaussianProcess,
    backward,
    cholesky,
    covariances,
    distances,
    forward,
    steps,
)
from studies.samplers.virtual_search import random_rows
from tests.studies.samplers.grid import GRID

CIFAR = DesignSpace(load_space("cifar32"))
ROOT = Path(__file__).parents[3]


def rows(space: DesignSpace, count: int, seed: int = 0) -> np.ndarray:
    return random_rows(space, count, np.random.default_rng(seed))


def test_distance_counts_steps_of_genes_and_an_absent_gene_is_step_0() -> None:
    space = CIFAR
    small, large = np.array([space.smallest()]), np.array([space.largest()])
    by_hand = 0
    for index, (less, more) in enumerate(zip(small[0], large[0], strict=True)):
        is_active = [space.active(one[0].tolist())[index] for one in (small, large)]
        by_hand += abs((less + 1) * is_active[0] - (more + 1) * is_active[1])
    found = distances(steps(space, small), steps(space, np.concatenate([large, small])))
    assert found.tolist() == [[by_hand, 0]]


def test_active_rows_agree_with_single_genotypes() -> None:
    genotypes = rows(CIFAR, 50)
    assert CIFAR.active_rows(genotypes).tolist() == [list(CIFAR.active(row.tolist())) for row in genotypes]


@given(st.integers(1, 90), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_factor_and_solutions_are_those_of_lapack(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((size, size))
    matrix, right = root @ root.T + size * np.eye(size), rng.standard_normal((size, 3))
    factor = cholesky(matrix)
    assert_allclose(factor, linalg.cholesky(matrix, lower=True), atol=1e-10)
    assert_allclose(forward(factor, right), linalg.solve_triangular(factor, right, lower=True), atol=1e-10)
    expected = linalg.solve_triangular(factor.T, right, lower=False)
    assert_allclose(backward(factor, right), expected, atol=1e-10)


def test_covariance_is_matern_three_halves() -> None:
    assert covariances(3.0, 4)[0] == 1
    # Distance 4, squared length 3: r = sqrt(4 / 3), so sqrt(3) r = 2.
    assert covariances(3.0, 4)[4] == pytest.approx(3 * np.exp(-2.0), abs=1e-9)


def test_one_measured_network_in_closed_form() -> None:
    known = steps(GRID, rows(GRID, 1))
    process = GaussianProcess.fit(known, np.array([5.0]))
    asked = steps(GRID, rows(GRID, 20, seed=1))
    assert process.forecast(asked).tolist() == [5.0] * 20  # The mean is all there is to know.


def test_posterior_is_the_textbook_formula() -> None:
    genotypes, asked = rows(GRID, 12), rows(GRID, 5, seed=1)
    values = np.random.default_rng(2).normal(60, 5, 12)
    process = GaussianProcess.fit(steps(GRID, genotypes), values)
    between = [
        process.table[distances(steps(GRID, one), steps(GRID, other))]
        for one, other in ((genotypes, genotypes), (asked, genotypes), (asked, asked))
    ]
    inverse = np.linalg.inv(between[0] + process.nugget * np.eye(12))
    centred = values - values.mean()
    mean, covariance = process.posterior(steps(GRID, asked))
    assert_allclose(mean, values.mean() + between[1] @ inverse @ centred, rtol=1e-9)
    assert process.variance == pytest.approx(centred @ inverse @ centred / 12)
    left = between[2] + process.nugget * np.eye(5) - between[1] @ inverse @ between[1].T
    assert_allclose(covariance, process.variance * left, atol=1e-9)
    assert_allclose(process.forecast(steps(GRID, asked)), mean, rtol=1e-12)


def likelihood(squared_length: float, nugget: float, gaps: np.ndarray, values: np.ndarray) -> float:
    """Marginal log-likelihood (Rasmussen & Williams, equation 5.8) at the best variance, up to a constant."""
    scaled = np.sqrt(3 * gaps / squared_length)
    covariance = (1 + scaled) * np.exp(-scaled) + nugget * np.eye(len(gaps))
    centred = values - values.mean()
    variance = centred @ np.linalg.solve(covariance, centred) / len(gaps)
    return float(-0.5 * len(gaps) * np.log(variance) - 0.5 * np.linalg.slogdet(covariance)[1])


@pytest.mark.parametrize("own", [0.0, 0.3, 3.0])
def test_length_and_nugget_maximise_the_likelihood_on_the_grid(own: float) -> None:
    genotypes = rows(CIFAR, 40)
    values = smooth(genotypes, own)
    known = steps(CIFAR, genotypes)
    gaps = distances(known, known)
    every = {pair: likelihood(*pair, gaps, values) for pair in product(SQUARED_LENGTHS, NUGGETS)}
    process = GaussianProcess.fit(known, values)
    assert (process.squared_length, process.nugget) == max(every, key=lambda pair: every[pair])
    # A later fit moves one place at most: from the corner, to the best of four.
    corner = replace(process, squared_length=SQUARED_LENGTHS[-1], nugget=NUGGETS[-1])
    near = {pair: value for pair, value in every.items() if pair[0] >= 3000 and pair[1] >= 0.1}
    assert len(near) == 4
    again = GaussianProcess.fit(known, values, corner)
    assert (again.squared_length, again.nugget) == max(near, key=lambda pair: near[pair])


def test_many_networks_are_learned_from_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussian_process, "MOST_COMPARED", 15)
    genotypes = rows(CIFAR, 30)
    known, values = steps(CIFAR, genotypes), smooth(genotypes, 0.3)
    half, whole = GaussianProcess.fit(known[::2], values[::2]), GaussianProcess.fit(known, values)
    assert (whole.squared_length, whole.nugget) == (half.squared_length, half.nugget)
    assert len(whole.known) == 30


def test_samples_have_the_mean_and_the_covariance_of_the_posterior() -> None:
    values = np.random.default_rng(2).normal(60, 5, 12)
    process = GaussianProcess.fit(steps(GRID, rows(GRID, 12)), values)
    asked = steps(GRID, rows(GRID, 4, seed=1))
    mean, covariance = process.posterior(asked)
    drawn = process.samples(asked, np.random.default_rng(0).standard_normal((20000, 4)))
    assert_allclose(drawn.mean(axis=0), mean, atol=0.1)
    assert_allclose(np.cov(drawn.T), covariance, atol=0.05 * covariance.max())


def test_constant_values_are_forecast_for_certain() -> None:
    process = GaussianProcess.fit(steps(GRID, rows(GRID, 20)), np.full(20, 7.0))
    asked = steps(GRID, rows(GRID, 3, seed=1))
    assert process.samples(asked, np.ones((2, 3))).tolist() == [[7.0] * 3] * 2


def smooth(genotypes: np.ndarray, own: float) -> np.ndarray:
    """A synthetic accuracy: saturating in every gene, two interactions, and what is a network's own."""
    space = CIFAR
    shares = np.where(space.active_rows(genotypes), genotypes + 1, 0) / [
        gene.cardinality for gene in space.genes
    ]
    weights = np.random.default_rng(0).uniform(0, 1, len(space.genes))
    interactions = 3 * shares[:, 0] * shares[:, 2] + 3 * shares[:, 10] * shares[:, 1]
    noise = [np.random.default_rng(row).standard_normal() for row in genotypes.tolist()]
    return 60 + np.sqrt(shares) @ weights + interactions + own * np.array(noise)


@pytest.mark.parametrize("own", [0.1, 0.5])
def test_forecasts_put_networks_in_order_and_know_how_sure_they_are(own: float) -> None:
    genotypes, unseen = rows(CIFAR, 200), rows(CIFAR, 300, seed=1)
    process = GaussianProcess.fit(steps(CIFAR, genotypes), smooth(genotypes, own))
    mean, covariance = process.posterior(steps(CIFAR, unseen))
    truth = smooth(unseen, own)
    assert np.corrcoef(mean, truth)[0, 1] > (0.9 if own < 0.2 else 0.8)
    deviations = np.abs(truth - mean) / np.sqrt(np.diag(covariance))
    # Normal: 68 % within one deviation, 95 % within two.
    assert 0.55 < (deviations < 1).mean() < 0.9
    assert 0.89 < (deviations < 2).mean() <= 1
    # More surely known where more is known.
    assert np.diag(process.posterior(steps(CIFAR, genotypes))[1]).mean() < np.diag(covariance).mean()


def test_newest_networks_decide_where_there_are_many() -> None:
    genotypes = rows(GRID, MOST_LEARNED + 30)
    values = np.random.default_rng(0).normal(size=MOST_LEARNED + 30)
    process = GaussianProcess.fit(steps(GRID, genotypes), values)
    assert len(process.known) == MOST_LEARNED
    assert process.mean == values[30:].mean()


PRINTED = """
import numpy as np
from tests.studies.samplers.test_gaussian_process import CIFAR, rows, smooth
from studies.samplers.gaussian_process import GaussianProcess, steps
known = rows(CIFAR, 300)
process = GaussianProcess.fit(steps(CIFAR, known), smooth(known, 0.3))
asked = steps(CIFAR, rows(CIFAR, 2000, seed=1))
samples = process.samples(asked[:200], np.random.default_rng(0).standard_normal((8, 200)))
print(process.forecast(asked).tobytes().hex()[:4000], samples.tobytes().hex()[:4000])
"""


def test_number_of_threads_changes_no_bit() -> None:
    found = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PRINTED], env=environment, check=True, capture_output=True, cwd=ROOT
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop()) > 4000
