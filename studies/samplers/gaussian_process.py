"""Gaussian process over networks: predicts a quantity of unmeasured networks, with its uncertainty.

Networks are compared gene by gene. A gene counts steps: 0 where the network has no such gene, 1 for its first
option, and so on; the distance of two networks is the sum of steps between their genes. The covariance is
Matern 3/2 (Rasmussen & Williams 2006, equation 4.17) of that distance's root, since the distance is the
squared Euclidean one of the steps written as ones and zeros. A nugget stands for what is a network's own.
Length, nugget and scale are those of the greatest marginal likelihood (equation 5.8) on a grid.

The same data must give the same bits whatever number of threads there is, since a study goes on by asking
again. So all that a library may add up in any order are small integers, which every order adds up alike
(`distances`); the rest are NumPy's own loops, which run in one thread. Exponentials and logarithms are the C
library's, since NumPy's kernels for AVX-512 give other last bits than those for AVX2. SciPy's and
scikit-learn's processes rest on LAPACK and on optimisers, where a last bit may lead elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_space.arrays import Floats, Genotypes
from studies.design_space.design_space import DesignSpace

Steps = NDArray[np.float32]
"""Steps of n networks as ones and zeros, shape (n, p)."""

SQUARED_LENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
NUGGETS = (1e-3, 1e-2, 1e-1, 1.0)
"""Variance that is a network's own, as a share of that which networks have in common."""
MOST_COMPARED = 200
"""Networks from which length and nugget are taken; where there are more, every k-th."""
MOST_LEARNED = 1000
"""Networks that decide a forecast; where there are more, the newest."""
_BLOCK = 32
_GRAIN = 2.0**-30


def steps(space: DesignSpace, genotypes: Genotypes) -> Steps:
    """The steps of canonical genotypes (n, genes) as ones and zeros, shape (n, p)."""
    counts = np.where(space.active_rows(genotypes), genotypes + 1, 0)
    columns = [
        counts[:, [index]] >= np.arange(1, gene.cardinality + 1) for index, gene in enumerate(space.genes)
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def distances(first: Steps, second: Steps) -> NDArray[np.int32]:
    """Number of steps between each of n and each of m networks, shape (n, m)."""
    # Sums of ones and zeros are exact in any order, so a library may use threads here.
    common = first @ second.T
    found: NDArray[np.int32] = (first.sum(axis=1)[:, None] + second.sum(axis=1)[None, :] - 2 * common).astype(
        np.int32
    )
    return found


def covariances(squared_length: float, most: int) -> Floats:
    """Matern 3/2 for distances 0 to `most`, shape (most + 1,); 1 at 0."""
    scaled = np.sqrt(3 * np.arange(most + 1) / squared_length)
    decay = np.array([math.exp(-one) for one in scaled.tolist()])
    # `exp` may differ in its last bit between C libraries.
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
    """What times the lower `factor` (n, n) is `right` (n, m)."""
    found = np.empty_like(right)
    for row in range(len(factor)):
        known = np.einsum("k,km->m", factor[row, :row], found[:row])
        found[row] = (right[row] - known) / factor[row, row]
    return found


def backward(factor: Floats, right: Floats) -> Floats:
    """What times the transposed lower `factor` (n, n) is `right` (n, m)."""
    turned = np.ascontiguousarray(factor.T[::-1, ::-1])
    return forward(turned, np.ascontiguousarray(right[::-1]))[::-1]


@dataclass(frozen=True, kw_only=True)
class GaussianProcess:
    """What measured networks say about all others; made by `fit`.

    Attributes:
        known: Steps of the measured networks, shape (n, p).
        mean: Of their values.
        weights: Of each of them in a forecast, shape (n,).
        factor: Lower factor of their covariance, in units of `variance`, shape (n, n).
        table: Covariance by distance, in units of `variance`.
        nugget: In units of `variance`.
        variance: Of what networks have in common.
    """

    known: Steps
    mean: float
    weights: Floats
    factor: Floats
    table: Floats
    nugget: float
    variance: float

    @classmethod
    def fit(cls, known: Steps, values: Floats) -> GaussianProcess:
        """Learns from measured networks.

        Args:
            known: Their steps, shape (n, p), n at least 1.
            values: Their values, shape (n,), finite.
        """
        known, values = known[-MOST_LEARNED:], values[-MOST_LEARNED:]
        every = -(-len(values) // MOST_COMPARED)
        gaps, few = distances(known[::every], known[::every]), values[::every]
        most = known.shape[1]
        best = (-np.inf, SQUARED_LENGTHS[0], NUGGETS[0])
        for squared_length in SQUARED_LENGTHS:
            covariance = covariances(squared_length, most)[gaps]
            for nugget in NUGGETS:
                likelihood = _likelihood(covariance, nugget, few - few.mean())
                # No mere last bit may decide between two that are equal.
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
            weights=backward(factor, whitened)[:, 0],
            factor=factor,
            table=table,
            nugget=nugget,
            variance=float((whitened**2).mean()),
        )

    def forecast(self, asked: Steps) -> Floats:
        """Expected values (m,) of networks with steps (m, p)."""
        common = self.table[distances(asked, self.known)]
        found: Floats = self.mean + np.einsum("ij,j->i", common, self.weights)
        return found

    def posterior(self, asked: Steps) -> tuple[Floats, Floats]:
        """Expected values (m,) and covariance (m, m) of what measuring networks with steps (m, p) gives."""
        common = self.table[distances(self.known, asked)]
        explained = forward(self.factor, common)
        own = _with_nugget(self.table[distances(asked, asked)], self.nugget)
        left = own - np.einsum("ki,kj->ij", explained, explained)
        return self.mean + np.einsum("ji,j->i", common, self.weights), self.variance * left

    def samples(self, asked: Steps, normal: Floats) -> Floats:
        """What measuring networks with steps (m, p) may give together, shape (s, m).

        Args:
            asked: Steps of the networks.
            normal: Independent standard normal draws, shape (s, m).
        """
        mean, covariance = self.posterior(asked)
        if self.variance == 0:
            return np.broadcast_to(mean, normal.shape).copy()
        factor = cholesky(covariance / self.variance)
        found: Floats = mean + np.sqrt(self.variance) * np.einsum("sk,mk->sm", normal, factor)
        return found


def _with_nugget(covariance: Floats, nugget: float) -> Floats:
    return covariance + nugget * np.eye(len(covariance))


def _likelihood(covariance: Floats, nugget: float, centred: Floats) -> float:
    """Logarithm of the likelihood at the best variance, but for a constant."""
    factor = cholesky(_with_nugget(covariance, nugget))
    whitened = forward(factor, centred[:, None])
    variance = max(float((whitened**2).mean()), np.finfo(np.float64).tiny)
    logarithms = np.array([math.log(one) for one in np.diag(factor).tolist()])
    return float(-0.5 * len(centred) * math.log(variance) - logarithms.sum())
