from __future__ import annotations

import pytest

from supernet.accuracy import memory_budget
from supernet.accuracy.memory_budget import MemoryBudget


class Process:
    """A process that holds what a test says, of which some is free."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held, self.free, self.returns = 1000, 0, 0
        monkeypatch.setattr(memory_budget, "held_bytes", lambda: self.held)
        monkeypatch.setattr(memory_budget, "return_freed_memory", self._return)

    def _return(self) -> bool:
        self.held -= self.free
        self.free = 0
        self.returns += 1
        return True


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(monkeypatch)


def test_freed_memory_is_kept_while_there_is_room_for_twice_a_layer(process: Process) -> None:
    budget = MemoryBudget(100)
    with budget.measuring():
        process.held, process.free = 1060, 40
        budget.make_room(20)
        assert process.returns == 1
        budget.make_room(21)
        assert (process.returns, process.held) == (2, 1020)
    assert process.returns == 3


def test_what_a_measurement_left_counts_in_the_next_one(process: Process) -> None:
    budget = MemoryBudget(100)
    with budget.measuring():
        process.held = 1060
    # Others in the process take 500 meanwhile.
    process.held = 1560
    with budget.measuring():
        budget.make_room(20)
        assert process.returns == 1
        budget.make_room(21)
        assert process.returns == 2


def test_what_is_free_before_counts_as_growth(process: Process) -> None:
    process.free = 30
    budget = MemoryBudget(100)
    with budget.measuring():
        process.held = 1060
        budget.make_room(1)
        assert process.returns == 1
        budget.make_room(6)
        assert process.returns == 2


def test_after_a_tight_measurement_nothing_is_left(process: Process) -> None:
    budget = MemoryBudget(100)
    with budget.measuring():
        process.held, process.free = 1090, 80
        budget.make_room(50)
        process.held, process.free = 1080, 60
    assert process.held == 1020
    with budget.measuring():
        process.held = 1020 + 60
        budget.make_room(20)
        assert process.returns == 3
