"""Prints what samplers ask for, and which subnets a race stops, as JSON: `python -m ... SAMPLER...`.

Run in two processes that compute on different kernels, to see that they decide alike. Values are told in
steps of 1/20 point, so that what a sampler is told does not depend on kernels.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from search_space.arrays import Floats
from search_space.genotype import Genotype, to_text
from search_space.space import load_space
from studies.design_space.design_space import DesignSpace
from studies.samplers import virtual_search
from studies.samplers.expected_gain import spread_points
from studies.samplers.gaussian_process import (
    MOST_COMPARED,
    SQUARED_LENGTHS,
    GaussianProcess,
    _likelihood,
    covariances,
    distances,
)
from studies.search.racing_bound import _logarithms, is_rejected, upper_bound
from tests.studies.samplers.grid import Measured, run, sampler_of, study_of

SPACE = load_space("cifar32")
GENERATIONS = 6
GENES = np.array([gene.cardinality for gene in SPACE.genes])


def measured(genotype: Genotype) -> tuple[float, float, float]:
    """A loss that falls with every gene and is noisy, and two that grow with some, all in steps of 1/20."""
    noise = sum((place + 3) * gene * gene for place, gene in enumerate(genotype)) % 37
    total = 100 * sum(genotype) // int(GENES.sum())
    first, second = sum(genotype[::2]), sum(genotype[1::2])
    return (80 - total * 20 // 25 + noise / 20, float(first), 5.0 + second + first % 3 / 4)


def proposals(name: str) -> list[list[str]]:
    """What the sampler called `name` asks for in each generation."""
    virtual_search.CANDIDATES = 3000
    told: Measured = measured
    sampler = sampler_of(name, DesignSpace(SPACE), study_of(3), population=16)
    return [[to_text(one) for one in asked] for asked in run(sampler, GENERATIONS, told, count=16)]


def bits(values: Floats) -> list[str]:
    """All bits of each number."""
    return [value.hex() for value in values.ravel().tolist()]


def process() -> list[list[str]]:
    """Bits of what a Gaussian process is fitted with, of what it says, and of the points of the gain."""
    rng = np.random.default_rng(0)
    known = rng.integers(0, 2, (MOST_COMPARED + 20, 90)).astype(np.float32)
    values = np.round(rng.normal(75, 5, len(known)) * 20) / 20
    fitted = GaussianProcess.fit(known, values)
    asked = rng.integers(0, 2, (40, 90)).astype(np.float32)
    samples = fitted.samples(asked, rng.standard_normal((8, 40)))
    tables = [covariances(length, 90) for length in SQUARED_LENGTHS]
    likelihoods = [_likelihood(table[distances(asked, asked)], 0.1, values[:40] - 75) for table in tables]
    points = [spread_points(64, dimensions) for dimensions in range(1, 6)]
    return [*map(bits, [*tables, np.array(likelihoods), *points, fitted.forecast(asked), *samples])]


def race() -> list[list[str]]:
    """Bits of a race's logarithms, when its subnets stop, and at which bound."""
    rng = np.random.default_rng(0)
    expected = rng.integers(0, 21, 2000) / 20
    found = [bits(_logarithms(rng.random((2, 2000))))]
    for accuracy in (0.3, 0.45, 0.48, 0.5):
        right = rng.random(2000) < accuracy + 0.3 * (expected - 0.5)
        looks = [(total, seen) for total in range(900, 1100, 20) for seen in (256, 512, 1024)]
        stops = [str(is_rejected(total, right[:seen], expected, 0.1)) for total, seen in looks]
        found.append([*stops, str(upper_bound(right[:512], expected, 0.1))])
    return found


def main() -> None:
    decided = {"process": process(), "race": race()} | {name: proposals(name) for name in sys.argv[1:]}
    print(json.dumps(decided))


if __name__ == "__main__":
    main()
