from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch

from supernet.accuracy.single_thread import single_thread


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_setting_is_that_of_before_at_the_end() -> None:
    with single_thread():
        assert torch.get_num_threads() == 1
        with single_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with pytest.raises(KeyError), single_thread():
        raise KeyError
    assert torch.get_num_threads() == 3


def test_one_that_ends_leaves_it_to_the_others() -> None:
    inside, first_ended = Barrier(2), Barrier(2)

    def first() -> None:
        with single_thread():
            inside.wait()
        first_ended.wait()

    def second() -> int:
        with single_thread():
            inside.wait()
            first_ended.wait()
            return torch.get_num_threads()

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        assert pool.submit(second).result(timeout=30) == 1
    assert torch.get_num_threads() == 3


def test_sums_do_not_depend_on_the_number_of_threads() -> None:
    x = torch.randn(256, 16, 32, 32).contiguous(memory_format=torch.channels_last)

    def mean() -> torch.Tensor:
        found = torch.zeros(16)
        torch.nn.functional.batch_norm(x, found, torch.ones(16), training=True, momentum=1.0)
        return found

    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        with single_thread():
            found.append(mean())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
