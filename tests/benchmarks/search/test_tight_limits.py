from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.search.surrogate_savings import Bench
from benchmarks.search.tight_limits import MOST, evaluated, limited, searched
from search_space.arrays import Floats
from search_space.genotype import Genotype


def test_accuracy_is_not_measured_above_the_limit_on_latency() -> None:
    bench = limited(Bench.of("cifar32", "u55-256-cim8"))
    small, large = bench.space.smallest(), bench.space.largest()

    def accuracy(genotypes: Sequence[Genotype]) -> Floats:
        return np.array([78.0 if genotype == small else 90.0 for genotype in genotypes])

    rows = evaluated(bench, [small, large], accuracy, 3)
    assert [row.index for row in rows] == [3, 4]
    assert [row.is_feasible for row in rows] == [False, False]
    assert [row.values[0] for row in rows] == [78.0, None]
    assert [row.limited[0] for row in rows] == [78.0, None]
    # The smallest network is not accurate enough and the largest too slow, but another one is feasible.
    record = searched(bench, "random", accuracy, 0)
    assert record.first_feasible is not None
    assert 2 < record.first_feasible < MOST
    assert 1 < record.measured < record.first_feasible
    nothing = searched(bench, "random", lambda genotypes: np.zeros(len(genotypes)), 0)
    assert nothing.first_feasible is None
    assert record.measured < nothing.measured < MOST
