from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from objectives.workers.handed_parts import Handed, HandedParts
from objectives.workers.stall_limit import StallLimit


def taken(parts: HandedParts, worker: str, now: float) -> Handed:
    handed = parts.next_for(worker, now)
    assert handed is not None
    return handed


def test_no_limit_is_known_before_a_part_is_finished() -> None:
    limit = StallLimit(patience=10, least_wait_s=60)
    assert limit.limit_s(4) == limit.copy_s(4) == float("inf")
    limit.add(8.0, 4)
    limit.add(3.0, 1)  # The slowest: 3 s a subnet.
    limit.add(1.0, 1)
    assert limit.limit_s(4) == 10 * 3 * 4
    assert limit.limit_s(1) == 60
    assert limit.copy_s(4) == 2 * 3 * 4
    assert limit.copy_s(0) == 5


def test_an_idle_worker_measures_an_overdue_part_as_well_and_the_first_answer_counts() -> None:
    parts = HandedParts([2, 2], StallLimit(patience=10, least_wait_s=60))
    first, second = taken(parts, "a", 0), taken(parts, "b", 0)
    assert (first.part, second.part) == (0, 1)
    parts.answered(first, 10)  # 5 s a subnet, so a copy after 20 s.
    assert parts.next_for("a", 20) is None
    copy = taken(parts, "a", 20.5)
    assert copy.part == 1
    assert parts.next_for("c", 100) is None  # Two have it.
    assert parts.again == 1
    parts.answered(copy, 30)
    assert parts.is_complete
    parts.drop(second)
    assert parts.next_for("c", 1000) is None


def test_a_stalled_worker_is_given_up_and_its_late_answer_still_counts() -> None:
    parts = HandedParts([1, 1], StallLimit(patience=10, least_wait_s=60))
    stalled, quick = taken(parts, "a", 0), taken(parts, "b", 0)
    parts.answered(quick, 1)
    assert parts.stalled(60) == []
    assert parts.stalled(61) == [stalled]
    parts.give_up(stalled)
    parts.give_up(stalled)
    assert parts.deaths[0] == 1
    assert parts.stalled(1000) == []
    parts.answered(stalled, 1000)
    assert parts.is_complete
    assert parts.next_for("b", 1000) is None  # It waits no longer.
    fast = HandedParts([1], parts._stall_limit)  # An hour of a stopped worker is no pace.
    taken(fast, "a", 0)
    assert len(fast.stalled(61)) == 1


def test_what_a_dead_worker_had_comes_first() -> None:
    parts = HandedParts([1, 1, 1], StallLimit())
    dead = taken(parts, "a", 0)
    parts.lost(dead)
    assert parts.deaths[0] == 1
    assert taken(parts, "b", 1).part == 0
    assert parts.again == 1


@given(st.integers(1, 6), st.lists(st.tuples(st.sampled_from("adsl"), st.integers(0, 9)), max_size=60))
def test_each_part_gets_one_first_answer_for_any_history(count: int, events: list[tuple[str, int]]) -> None:
    parts = HandedParts([1] * count, StallLimit(patience=2, least_wait_s=1))
    held: list[Handed] = []
    answers: list[int] = []
    now = 0.0

    def answer(handed: Handed) -> None:
        held.remove(handed)
        if handed.part in answers:
            parts.drop(handed)
        else:
            parts.answered(handed, now)
            answers.append(handed.part)

    for kind, choice in events:
        now += 1 + choice
        if (handed := parts.next_for(f"w{choice}", now)) is not None:
            held.append(handed)
        if held and kind == "a":
            answer(held[choice % len(held)])
        elif held and kind == "d":
            dead = held.pop(choice % len(held))
            parts.lost(dead)
        elif kind == "s":
            for late in parts.stalled(now):
                parts.give_up(late)
    for silent in held:
        parts.give_up(silent)
    while (handed := parts.next_for("good", now)) is not None:
        held.append(handed)
        answer(handed)
    assert parts.is_complete
    assert sorted(answers) == list(range(count))
