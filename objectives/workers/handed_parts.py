"""Parts of one batch: which of them wait, which are handed out, and which are handed out again.

A part that is late is measured by a second worker, and the first answer counts. Every answer is the same, so
the values do not depend on who measured.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from objectives.workers.stall_limit import StallLimit


@dataclass(eq=False)
class Handed:
    """A part in the hands of a worker.

    Attributes:
        part: Its position in the batch.
        worker: Address of the worker.
        since: Time of handing it out, in seconds.
        is_late: Whether the worker is no longer waited for. Its answer still counts if it comes first.
    """

    part: int
    worker: str
    since: float
    is_late: bool = False


class HandedParts:
    """Parts of a batch on their way to workers and back.

    Args:
        sizes: Number of subnets of each part.
        stall_limit: Time limits, shared by all workers and extended by finished parts.

    Attributes:
        again: Number of times that a part was handed out again.
        deaths: Number of workers that died or stalled over each part.
    """

    def __init__(self, sizes: Sequence[int], stall_limit: StallLimit) -> None:
        self.again = 0
        self.deaths: Counter[int] = Counter()
        self._sizes = sizes
        self._stall_limit = stall_limit
        self._waiting = deque(range(len(sizes)))
        self._handed: list[Handed] = []
        self._done: set[int] = set()

    @property
    def is_complete(self) -> bool:
        """Whether every part has an answer."""
        return len(self._done) == len(self._sizes)

    def next_for(self, worker: str, now: float) -> Handed | None:
        """The next part for an idle worker; None if there is none for it."""
        part = self._waiting.popleft() if self._waiting else self._overdue(worker, now)
        if part is None:
            return None
        self.again += any(each.part == part for each in self._handed) or self.deaths[part] > 0
        handed = Handed(part, worker, now)
        self._handed.append(handed)
        return handed

    def answered(self, handed: Handed, now: float) -> None:
        """Notes the first answer of a part."""
        self.drop(handed)
        if not handed.is_late:  # A worker that was stopped for an hour says nothing about the pace.
            self._stall_limit.add(now - handed.since, self._sizes[handed.part])
        self._done.add(handed.part)
        if handed.part in self._waiting:
            self._waiting.remove(handed.part)

    def drop(self, handed: Handed) -> None:
        """Forgets a copy of a part whose answer is not needed."""
        if handed in self._handed:
            self._handed.remove(handed)

    def lost(self, handed: Handed) -> None:
        """Notes that a worker died with a part. Another one measures it."""
        self.drop(handed)
        if not handed.is_late:
            self.deaths[handed.part] += 1
            self._requeue(handed.part)

    def give_up(self, handed: Handed) -> None:
        """No longer waits for a worker. Another one measures its part."""
        if not handed.is_late:
            handed.is_late = True
            self.deaths[handed.part] += 1
            self._requeue(handed.part)

    def stalled(self, now: float) -> list[Handed]:
        """Parts whose worker takes much longer than the slowest so far."""
        return [
            each
            for each in self._handed
            if not each.is_late and self._stall_limit.is_stalled(now - each.since, self._sizes[each.part])
        ]

    def _overdue(self, worker: str, now: float) -> int | None:
        """A part that another worker has had for long, and only that one."""
        copies = Counter(each.part for each in self._handed if not each.is_late)
        for each in sorted(self._handed, key=lambda each: each.since):
            is_overdue = self._stall_limit.is_overdue(now - each.since, self._sizes[each.part])
            if (
                is_overdue
                and copies[each.part] == 1
                and each.worker != worker
                and each.part not in self._done
            ):
                return each.part
        return None

    def _requeue(self, part: int) -> None:
        """Puts a part in front, unless it has an answer or another worker has it."""
        is_held = any(each.part == part and not each.is_late for each in self._handed)
        if part not in self._done and part not in self._waiting and not is_held:
            self._waiting.appendleft(part)
