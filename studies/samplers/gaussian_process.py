"""Gaussian process over networks: predicts a quantity of unmeasured networks, with its uncertainty.

Networks are compared gene by gene. Each gene has a number of steps: 0 if the network lacks the gene, 1 for
its first option, and so on. The distance of two networks is the sum of step differences. Written as ones and
zeros, steps give this distance as a squared Euclidean distance. The covariance is Matern 3/2 of its root
(Rasmussen & Williams 2006, equation 4.17). A nugget is the variance of a single network. Length, nugget and
scale maximise the marginal likelihood (equation 5.8) on a grid.

The same data must give the same bits with any number of threads, since a study resumes by replay. Libraries
that sum in any order therefore only sum small integers, which is exact (`distances`). All else uses NumPy's
own loops, which run in one thread. Exponentials and logarithms come from the C library, since NumPy's kernels
for AVX-512 and AVX2 differ in the last bit. The processes of SciPy and scikit-learn use LAPACK and
optimisers, in which a last bit may change the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search_space.arrays import Floats, Genotypes
from studies.design_space.design_space import DesignSpace

Steps = NDArray[np.float32]
"""Steps of n networks written as ones and zeros, shape (n, p)."""

SQUARED_LENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
NUGGETS = (1e-3, 1e-2, 1e-1, 1.0)
"""Candidates of the nugget: variance of a single network, as a share of the common variance."""
MOST_COMPARED = 200
"""Largest number of networks that determine length and nugget; of more networks, every k-th is used."""
MOST_LEARNED = 1000
"""Largest number of networks that determine a forecast; of more networks, the newest are used."""
_BLOCK = 32
_GRAIN = 2.0**-30


def steps(space: DesignSpace, genotypes: Genotypes) -> Steps:
    """Steps of canonical genotypes (n, genes), written as ones and zeros, shape (n, p)."""
    counts = np.where(space.active_rows(genotypes), genotypes + 1, 0)
    genes, options = _columns(tuple(gene.cardinality for gene in space.genes))
    return (counts.take(genes, axis=1) >= options).astype(np.float32)


@lru_cache(maxsize=8)
def _columns(cardinalities: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Gene and option, from 1, of each column of `steps`."""
    genes = np.repeat(np.arange(len(cardinalities)), cardinalities)
    options = [np.arange(1, cardinality + 1) for cardinality in cardinalities]
    return genes, np.concatenate(options)


def distances(first: Steps, second: Steps) -> NDArray[np.int32]:
    """Number of steps between each of n and each of m networks, shape (n, m)."""
    # Sums of ones and zeros are exact in any order, so BLAS may use threads here.
    common = first @ second.T
    gaps: NDArray[np.int32] = (first.sum(axis=1)[:, None] + second.sum(axis=1)[None, :] - 2 * common).astype(
        np.int32
    )
    return gaps


def covariances(squared_length: float, most: int) -> Floats:
    """Matern 3/2 covariance at distances 0 to `most`, shape (most + 1,); 1 at distance 0."""
    scaled = np.sqrt(3 * np.arange(most + 1) / squared_length)
    decay = np.array([math.exp(-value) for value in scaled.tolist()])
    # Rounding hides the last bit of `exp`, which differs between C libraries.
    values: Floats = np.round((1 + scaled) * decay / _GRAIN) * _GRAIN
    return values


def cholesky(matrix: Floats) -> Floats:
    """Lower factor of a positive definite matrix (n, n), in one thread."""
    size = len(matrix)
    factor = np.zeros_like(matrix)
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        known = factor[start:, :start]
        panel = matrix[start:, start:stop] - np.einsum("ik,jk->ij", known, known[: stop - start])
        for column in range(stop - start):
            panel[column:, column] /= np.sqrt(panel[column, column])
            rest = panel[column + 1 :, column]
            panel[column + 1 :, column + 1 :] -= rest[:, None] * rest[None, : stop - start - column - 1]
        factor[start:, start:stop] = np.where(
            np.arange(start, size)[:, None] >= np.arange(start, stop), panel, 0.0
        )
    return factor


def forward(factor: Floats, right: Floats) -> Floats:
    """Solution (n, m) of ``factor @ solution = right`` for a lower triangular factor (n, n)."""
    solution = np.empty_like(right)
    for row in range(len(factor)):
        known = np.einsum("k,km->m", factor[row, :row], solution[:row])
        solution[row] = (right[row] - known) / factor[row, row]
    return solution


def backward(factor: Floats, right: Floats) -> Floats:
    """Solution (n, m) of ``factor.T @ solution = right`` for a lower triangular factor (n, n)."""
    turned = np.ascontiguousarray(factor.T[::-1, ::-1])
    return forward(turned, np.ascontiguousarray(right[::-1]))[::-1]


@dataclass(frozen=True, kw_only=True)
class GaussianProcess:
    """Posterior of a Gaussian process, conditioned on measured networks by `fit`.

    Attributes:
        known: Steps of the measured networks, shape (n, p).
        mean: Mean of their values.
        squared_length: Squared length scale of the covariance.
        weights: Weight of each measured network in a forecast, shape (n,).
        factor: Lower factor of their covariance, in units of `variance`, shape (n, n).
        table: Covariance by distance, in units of `variance`.
        nugget: Variance of a single network, in units of `variance`.
        variance: Variance that networks have in common.
    """

    known: Steps
    mean: float
    squared_length: float
    weights: Floats
    factor: Floats
    table: Floats
    nugget: float
    variance: float

    @classmethod
    def fit(cls, known: Steps, values: Floats, earlier: GaussianProcess | None = None) -> GaussianProcess:
        """Fits the process to measured networks.

        Args:
            known: Steps of the networks, shape (n, p), n at least 1.
            values: Finite values of the networks, shape (n,).
            earlier: The process of fewer networks of the same study. Length and nugget then move by at most
                one place on their grids, which takes a quarter of the time.
        """
        known, values = known[-MOST_LEARNED:], values[-MOST_LEARNED:]
        every = -(-len(values) // MOST_COMPARED)
        gaps, few = distances(known[::every], known[::every]), values[::every]
        most = known.shape[1]
        best = (-np.inf, SQUARED_LENGTHS[0], NUGGETS[0])
        for squared_length in _beside(SQUARED_LENGTHS, None if earlier is None else earlier.squared_length):
            covariance = covariances(squared_length, most)[gaps]
            for nugget in _beside(NUGGETS, None if earlier is None else earlier.nugget):
                likelihood = _likelihood(covariance, nugget, few - few.mean())
                # The last bit must not decide between equal likelihoods.
                if likelihood > best[0] + 1e-9:
                    best = (likelihood, squared_length, nugget)
        _, squared_length, nugget = best
        table = covariances(squared_length, most)
        mean = float(values.mean())
        factor = cholesky(_with_nugget(table[distances(known, known)], nugget))
        whitened = forward(factor, (values - mean)[:, None])
        return cls(
            known=known,
            mean=mean,
            squared_length=squared_length,
            weights=backward(factor, whitened)[:, 0],
            factor=factor,
            table=table,
            nugget=nugget,
            variance=float((whitened**2).mean()),
        )

    def forecast(self, candidates: Steps) -> Floats:
        """Expected values (m,) of networks with steps (m, p)."""
        common = self.table[distances(candidates, self.known)]
        expected: Floats = self.mean + np.einsum("ij,j->i", common, self.weights)
        return expected

    def posterior(self, candidates: Steps) -> tuple[Floats, Floats]:
        """Expected values (m,) and covariance (m, m) of measurements of networks with steps (m, p)."""
        common = self.table[distances(self.known, candidates)]
        explained = forward(self.factor, common)
        own = _with_nugget(self.table[distances(candidates, candidates)], self.nugget)
        left = own - np.einsum("ki,kj->ij", explained, explained)
        return self.mean + np.einsum("ji,j->i", common, self.weights), self.variance * left

    def samples(self, candidates: Steps, normal: Floats) -> Floats:
        """Joint samples of the measurements of m networks, shape (s, m).

        Args:
            candidates: Steps of the networks, shape (m, p).
            normal: Independent standard normal draws, shape (s, m).
        """
        mean, covariance = self.posterior(candidates)
        if self.variance == 0:
            return np.broadcast_to(mean, normal.shape).copy()
        factor = cholesky(covariance / self.variance)
        drawn: Floats = mean + np.sqrt(self.variance) * np.einsum("sk,mk->sm", normal, factor)
        return drawn


def _beside(grid: Sequence[float], place: float | None) -> Sequence[float]:
    """The values of a grid at `place` and next to it; all values without a place."""
    if place is None:
        return grid
    index = grid.index(place)
    return grid[max(index - 1, 0) : index + 2]


def _with_nugget(covariance: Floats, nugget: float) -> Floats:
    return covariance + nugget * np.eye(len(covariance))


def _likelihood(covariance: Floats, nugget: float, centred: Floats) -> float:
    """Log-likelihood at the best variance, up to a constant."""
    factor = cholesky(_with_nugget(covariance, nugget))
    whitened = forward(factor, centred[:, None])
    variance = max(float((whitened**2).mean()), np.finfo(np.float64).tiny)
    logarithms = np.array([math.log(pivot) for pivot in np.diag(factor).tolist()])
    return float(-0.5 * len(centred) * math.log(variance) - logarithms.sum())
