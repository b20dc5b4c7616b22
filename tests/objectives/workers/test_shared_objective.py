from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.workers.shared_objective import even_parts
from search_space import complexity
from search_space.space import load_space
from search_space.subnet import Subnet

SPACE = load_space("cifar32")
RNG = np.random.default_rng(0)
POOL = [SPACE.decode(SPACE.sample(RNG)) for _ in range(30)]


@given(st.lists(st.sampled_from(POOL), max_size=40), st.integers(1, 12))
def test_parts_are_the_batch_cut_into_runs_of_about_equal_work(subnets: list[Subnet], count: int) -> None:
    parts = even_parts(subnets, count)
    assert [subnet for part in parts for subnet in part] == subnets
    assert len(parts) <= count
    assert all(parts)
    macs = [[complexity.macs(subnet) for subnet in part] for part in parts]
    for part in macs:
        assert sum(part) <= sum(map(sum, macs)) / count + max(part)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_equal_subnets_are_divided_evenly(count: int) -> None:
    parts = even_parts([POOL[0]] * 30, count)
    assert [len(part) for part in parts] == [30 // count] * count


def test_more_workers_than_subnets_get_one_each() -> None:
    assert [len(part) for part in even_parts([POOL[0]] * 3, 8)] == [1, 1, 1]
