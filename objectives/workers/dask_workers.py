"""Workers of a Dask cluster as a client sees them: joining, admitted, silent, refused, gone.

A worker joins, describes its code, receives the objective, measures the probe, and is then admitted. Each of
these steps is a task, so a worker that does not answer delays nobody else.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import distributed

from objectives.workers import admission
from objectives.workers.admission import FILLED, Packed, Requirements
from objectives.workers.stall_limit import DEATHS
from objectives.workers.versions import WorkerError
from search_space.command.byte_count import bytes_text
from search_space.errors import H4HWarning

SILENT_S = 30.0
"""Seconds without a heartbeat after which a worker is no longer waited for."""
RESULT_S = 10.0
"""Time limit for fetching a finished result, in seconds."""
SCHEDULER_S = 60.0
"""Time limit for an answer of a connected scheduler, in seconds. Cut links often come back earlier."""


@dataclass(eq=False)
class Member:
    """A worker.

    Attributes:
        address: Its address.
        threads: Number of parts that it measures at a time.
        description: Task that describes its code.
        held: Task whose result is the objective on this worker.
        state: Task that measures the probe.
        is_admitted: Whether it may get parts.
        is_refused: Whether it never gets any.
        busy: Tasks of parts that it measures.
        subnets: Number of subnets that it has measured.
        seconds: Time that it has taken for them.
        memory: Bytes of memory that its process took at its last heartbeat.
        limit: Memory limit in bytes; 0 without a limit.
        is_paused: Whether Dask lets it run no tasks, since its memory is full.
    """

    address: str
    threads: int
    description: distributed.Future[Any]
    held: distributed.Future[Any] | None = None
    state: distributed.Future[Any] | None = None
    is_admitted: bool = False
    is_refused: bool = False
    busy: set[distributed.Future[Any]] = field(default_factory=set)
    subnets: int = 0
    seconds: float = 0.0
    memory: int = 0
    limit: int = 0
    is_paused: bool = False
    _beat: float = 0.0
    _heard_at: float = 0.0

    def hear(self, facts: Mapping[str, Any], now: float) -> None:
        """Notes what the scheduler knows of it, the time of the last heartbeat by its own clock included."""
        self.memory = facts["metrics"].get("memory", 0)
        self.limit = facts["memory_limit"] or 0
        self.is_paused = facts["status"] == "paused"
        if facts["last_seen"] != self._beat:
            self._beat, self._heard_at = facts["last_seen"], now

    def is_silent(self, now: float, silent_s: float) -> bool:
        """Whether its heartbeat has stopped."""
        return now - self._heard_at > silent_s

    @property
    def pending(self) -> list[distributed.Future[Any]]:
        """Tasks of its admission that have no result yet."""
        stages = (self.description, self.held, self.state)
        return [] if self.is_admitted or self.is_refused else [each for each in stages if each is not None]


class Members:
    """All workers of a cluster, admitted as they join.

    Args:
        client: Client of the scheduler.
        packed: The objective.
        needs: Requirements on each worker.
        silent_s: Seconds without a heartbeat after which a worker counts as silent.
    """

    def __init__(
        self, client: distributed.Client, packed: Packed, needs: Requirements, silent_s: float = SILENT_S
    ) -> None:
        self._client = client
        self._needs = needs
        self._silent_s = silent_s
        self._by_address: dict[str, Member] = {}
        self._gone: list[Member] = []
        self._refused: dict[str, WorkerError] = {}
        with warnings.catch_warnings():  # Weights and images are large, and are sent once.
            warnings.simplefilter("ignore", UserWarning)
            self._packed = client.submit(admission.hand_over, packed, pure=False)

    @property
    def present(self) -> list[Member]:
        """All workers of the cluster now."""
        return list(self._by_address.values())

    @property
    def speeds(self) -> Mapping[str, float]:
        """Subnets per second of each worker that has measured, by address."""
        return {
            each.address: each.subnets / each.seconds
            for each in (*self._gone, *self.present)
            if each.seconds > 0
        }

    def admitted(self, now: float) -> list[Member]:
        """Workers that may get parts."""
        return [each for each in self.present if each.is_admitted and not self.is_silent(each, now)]

    def is_silent(self, member: Member, now: float) -> bool:
        """Whether the heartbeat of a worker has stopped."""
        return member.is_silent(now, self._silent_s)

    def is_joining(self, now: float) -> bool:
        """Whether a worker that answers has not been admitted or refused yet."""
        return any(each.pending and not self.is_silent(each, now) for each in self.present)

    def refusals(self) -> list[WorkerError]:
        """Reasons for refused workers since the last call."""
        reasons = list(self._refused.values())
        self._refused.clear()
        return reasons

    def warn_of_refusals(self) -> None:
        """Warns once of each worker that was refused."""
        for reason in self.refusals():
            warnings.warn(f"{reason}; it gets no parts, the others go on", H4HWarning, stacklevel=2)

    def refresh(self, now: float) -> list[Member]:
        """Asks the scheduler for its workers and continues their admission; returns those that are gone.

        Raises:
            TimeoutError: The scheduler does not answer. Also `OSError`.
        """
        scheduler: Any = self._client.scheduler
        if scheduler is None:
            raise OSError("not connected")
        identity = self._client.sync(scheduler.identity, n_workers=-1, callback_timeout=SCHEDULER_S)
        there = identity["workers"]
        gone = [self._by_address.pop(address) for address in set(self._by_address) - set(there)]
        for member in gone:
            self.forget(member)
        for address, facts in there.items():
            if address not in self._by_address:
                self._by_address[address] = self._joined(address, facts["nthreads"])
            member = self._by_address[address]
            member.hear(facts, now)
            if not member.is_admitted and not member.is_refused:
                try:
                    self._advance(member)
                except WorkerError as error:
                    member.is_refused = True
                    self._refused[address] = error
        return gone

    def check_start(self) -> None:
        """Raises `WorkerError` if workers end while they are set up, one after the other."""
        ended = [member for member in self._gone if not member.is_admitted]
        if len(ended) >= DEATHS and len(ended) == len(self._gone):
            raise WorkerError(f"{DEATHS} workers ended while they were set up; {self._full(ended[-1])}")

    def _full(self, member: Member) -> str:
        """Memory that a worker takes, and its limit."""
        limit = bytes_text(member.limit) if member.limit else "none"
        return (
            f"worker {member.address} took {bytes_text(member.memory)} before it could measure, and its "
            f"memory limit is {limit}, of which {FILLED:.0%} may be filled; a measurement adds up to "
            f"{bytes_text(self._needs.memory)}: raise its --memory-limit"
        )

    def forget(self, member: Member) -> None:
        """Drops the tasks of a worker. If it is still there, it joins anew."""
        self._by_address.pop(member.address, None)
        self._gone.append(member)
        stages = (member.description, member.held, member.state)
        self._client.cancel([each for each in (*member.busy, *stages) if each is not None])

    def _joined(self, address: str, threads: int) -> Member:
        described = self._client.submit(
            admission.describe_worker, self._needs.module, workers=[address], pure=False, priority=1
        )
        return Member(address, max(threads, 1), described)

    def _advance(self, member: Member) -> None:
        """Takes the next step of the admission of a worker, if the last one has ended.

        Raises:
            WorkerError: The worker must not measure.
        """
        if member.is_paused:
            raise WorkerError(self._full(member))
        where: dict[str, Any] = {"workers": [member.address], "pure": False, "priority": 1}
        if member.held is None:
            if (described := self._result(member, member.description)) is not None:
                self._needs.check_code(member.address, described)
                member.held = self._client.submit(admission.hold, self._packed, **where)
                member.state = self._client.submit(admission.state, member.held, self._needs.probe, **where)
        elif member.state is not None and (state := self._result(member, member.state)) is not None:
            self._needs.check_state(member.address, state)
            member.is_admitted = True

    def _result(self, member: Member, task: distributed.Future[Any]) -> Any:
        """Result of a task of the admission; None while there is none.

        Raises:
            WorkerError: The task failed.
        """
        if task.status == "finished":
            try:
                return task.result(timeout=RESULT_S)
            except TimeoutError:
                return None
        if task.status == "error":
            error = task.exception(timeout=RESULT_S)
            if isinstance(error, ModuleNotFoundError):
                raise WorkerError(
                    f"worker {member.address} lacks the package {error.name!r}: install this project there, "
                    f"in the same version"
                )
            if not isinstance(error, distributed.scheduler.KilledWorker):  # Then it is gone.
                reason = " ".join(str(error).split())
                raise WorkerError(
                    f"worker {member.address} cannot measure ({type(error).__name__}: {reason:.200})"
                )
        return None
