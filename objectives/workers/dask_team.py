"""Workers of a Dask cluster (https://distributed.dask.org).

Each worker receives the objective with its weights and images, also a worker that joins later. Workers and
scheduler need this project installed, but none of its data files.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import distributed

from objectives.objective import Objective
from objectives.workers import admission
from objectives.workers.admission import LostObjectiveError, Packed, Requirements
from objectives.workers.cluster_state import ClusterState
from objectives.workers.dask_connection import connected, lost, translated
from objectives.workers.dask_workers import RESULT_S, SILENT_S, Member, Members
from objectives.workers.handed_parts import Handed, HandedParts
from objectives.workers.packed_objective import pack
from objectives.workers.stall_limit import DEATHS, StallLimit
from objectives.workers.versions import WorkerError
from search_space.arrays import Floats
from search_space.subnet import Subnet

CONNECT_S = 10.0
"""Default time limit for the scheduler's answer, in seconds."""
PATIENCE_S = 120.0
"""Default time that a cluster may be without workers, in seconds. Batch schedulers start them with delay."""
ADMISSION_S = 60.0
"""Time that a ready worker waits at the start for others that are still being admitted, in seconds."""
PARTS_PER_THREAD = 2
"""Parts of a batch for each thread. With finer parts a slow worker measures fewer of them."""
_POLL_S = 1.0
_REFRESH_S = 0.5


class DaskTeam:
    """Workers of a Dask cluster that hold an objective.

    A worker gets one part for each of its threads. If it dies, stalls or falls silent, others measure its
    parts. An idle worker also measures a part that another one has had for long. The first answer counts.

    Args:
        objective: The objective to measure.
        address: Address of the cluster's scheduler, such as ``tcp://10.0.0.1:8786``.
        tls: Files of the CA, the certificate and the key; empty without them.
        probe: Subnets whose values on each worker must equal those of this process.
        memory: Bytes by which one measurement may let a process grow.
        notify: Receives lines for the user.
        connect_s: Time limit for the scheduler's answer, in seconds.
        patience_s: Time that the cluster may be without workers, in seconds.
        silent_s: Seconds without a heartbeat after which a worker is no longer waited for.
        stall_limit: Time limits of parts.

    Raises:
        WorkerError: No scheduler answers at `address`, no worker joins, or a present worker would give other
            values or has too little memory.
    """

    def __init__(
        self,
        objective: Objective,
        address: str,
        *,
        tls: Sequence[str] = (),
        probe: Sequence[Subnet] = (),
        memory: float = 0.0,
        notify: Callable[[str], object] = lambda _: None,
        connect_s: float = CONNECT_S,
        patience_s: float = PATIENCE_S,
        silent_s: float = SILENT_S,
        stall_limit: StallLimit | None = None,
    ) -> None:
        self._address = address
        self._patience_s = patience_s
        self._stall_limit = stall_limit or StallLimit()
        self._notify = notify
        self._again = 0
        self._parts: dict[distributed.Future[Any], tuple[Member, Handed, int]] = {}
        self._now = 0.0
        self._read_at = time.monotonic()
        self._usable_at = 0.0
        self._refreshed_at = 0.0
        self._client = connected(address, tls, connect_s)
        try:
            with translated(address):
                parcel, pieces = pack(objective)
                needs = Requirements.of(objective, probe, memory)
                self._members = Members(self._client, Packed(parcel, b"".join(pieces)), needs, silent_s)
                self._await_workers()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Number of parts that a batch is cut into."""
        return PARTS_PER_THREAD * max(self.state().threads, 1)

    def state(self) -> ClusterState:
        """Workers and their speed."""
        admitted = self._members.admitted(self._now)
        threads = sum(member.threads for member in admitted)
        return ClusterState(len(admitted), threads, self._again, self._members.speeds)

    def measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        """Values of each part, in order.

        Raises:
            WorkerError: The cluster is lost, has lost all workers and got no new ones, or `DEATHS` workers
                died or stalled over one part.
            Exception: The exception that the objective raised in a worker.
        """
        batch = HandedParts([len(part) for part in parts], self._stall_limit)
        values: dict[int, Floats] = {}
        # Parts of an earlier batch keep their worker busy, but nobody waits for them.
        earlier = set(self._parts)
        with translated(self._address):
            try:
                while not batch.is_complete:
                    self._refresh(batch, earlier)
                    self._hand_out(batch, parts)
                    self._collect(batch, values, earlier)
            except BaseException:
                if self._client.status == "running":
                    self._client.cancel(list(self._parts))
                for future, (member, _, _) in self._parts.items():
                    member.busy.discard(future)
                self._parts.clear()
                raise
        for _, handed, _ in self._parts.values():  # Second copies that are no longer needed.
            handed.is_late = True
        self._again += batch.again
        return [values[part] for part in range(len(parts))]

    def close(self) -> None:
        """Drops the objective from the workers and disconnects. The cluster keeps running."""
        self._parts.clear()
        with contextlib.suppress(OSError, TimeoutError, CancelledError, RuntimeError):
            self._client.close(timeout=_POLL_S)

    def _await_workers(self) -> None:
        """Waits for the first worker, and until all present ones are admitted.

        Raises:
            WorkerError: A worker would give other values, or none joins.
        """
        has_told = False
        while True:
            self._tick()
            self._members.refresh(self._now)
            for reason in self._members.refusals():
                raise reason
            self._members.check_start()
            is_joining = self._members.is_joining(self._now)
            is_ready = bool(self._members.admitted(self._now))
            if is_ready and (not is_joining or self._now - self._usable_at > ADMISSION_S):
                state = self.state()
                self._notify(f"measuring on {state} of {self._address} with {state.threads} threads")
                return
            if not is_joining and not has_told:
                has_told = True
                self._notify(f"waiting for the first worker of {self._address} ...")
            self._check_usable(is_joining and not is_ready)
            time.sleep(min(_POLL_S, self._patience_s) / 10)

    def _tick(self) -> None:
        """Advances the clock. A longer pause is one of this process itself, such as Ctrl-Z."""
        read_at = time.monotonic()
        self._now += min(read_at - self._read_at, 5 * _POLL_S)
        self._read_at = read_at

    def _check_usable(self, is_usable: bool) -> None:
        """Raises `WorkerError` if the cluster has been without a usable worker for too long."""
        if is_usable:
            self._usable_at = self._now
        elif self._now - self._usable_at > self._patience_s:
            raise WorkerError(
                f"the Dask cluster at {self._address} has had no worker that answers for "
                f"{self._patience_s:g} s; start workers and repeat the command to resume"
            )

    def _refresh(self, batch: HandedParts, earlier: set[distributed.Future[Any]]) -> None:
        """Takes note of workers that joined, left, fell silent or stalled."""
        self._tick()
        if self._client.status != "running":
            raise lost(self._address, "its scheduler closed the connection")
        if self._now - self._refreshed_at < _REFRESH_S:
            return
        self._refreshed_at = self._now
        gone = self._members.refresh(self._now)
        self._members.warn_of_refusals()
        for future, (member, handed, _) in list(self._parts.items()):
            if member in gone:
                del self._parts[future]
                if future not in earlier:
                    batch.lost(handed)
                    self._check_deaths(batch, handed.part)
            elif future not in earlier and self._members.is_silent(member, self._now):
                batch.give_up(handed)
                self._check_deaths(batch, handed.part)
        for handed in batch.stalled(self._now):
            batch.give_up(handed)
            self._check_deaths(batch, handed.part)
        usable = self._members.is_joining(self._now) or any(
            len(member.busy) < member.threads or not self._is_stuck(member)
            for member in self._members.admitted(self._now)
        )
        self._check_usable(usable)

    def _is_stuck(self, member: Member) -> bool:
        """Whether a worker is late with all its parts."""
        return all(handed.is_late for each, handed, _ in self._parts.values() if each is member)

    def _check_deaths(self, batch: HandedParts, part: int) -> None:
        if batch.deaths[part] >= DEATHS:
            raise WorkerError(
                f"{DEATHS} workers of the Dask cluster at {self._address} died or stalled while they "
                f"measured the same subnets; lower --memory if they ran out of memory, and repeat the "
                f"command to resume"
            )

    def _hand_out(self, batch: HandedParts, parts: Sequence[Sequence[Subnet]]) -> None:
        """Gives parts to idle workers, one to each before any gets a second one."""
        idle = [member for member in self._members.admitted(self._now) if len(member.busy) < member.threads]
        while idle:
            idle.sort(key=lambda member: len(member.busy))
            member = idle[0]
            handed = batch.next_for(member.address, self._now)
            if handed is None:
                idle.pop(0)
                continue
            part = parts[handed.part]
            future = self._client.submit(
                admission.measure, member.held, part, workers=[member.address], pure=False
            )
            member.busy.add(future)
            self._parts[future] = member, handed, len(part)
            if len(member.busy) >= member.threads:
                idle.pop(0)

    def _collect(
        self, batch: HandedParts, values: dict[int, Floats], earlier: set[distributed.Future[Any]]
    ) -> None:
        """Waits for answers for a moment and takes them."""
        pending = [task for member in self._members.present for task in member.pending]
        tasks = [*self._parts, *(task for task in pending if not task.done())]
        if not tasks:
            time.sleep(_POLL_S / 10)
            return
        with contextlib.suppress(TimeoutError), self._client.as_current():
            distributed.wait(tasks, timeout=_POLL_S, return_when="FIRST_COMPLETED")
        self._tick()
        for future in [future for future in self._parts if future.done()]:
            member, handed, subnets = self._parts.pop(future)
            member.busy.discard(future)
            if future in earlier or handed.part in values:
                batch.drop(handed)
                continue
            try:
                values[handed.part] = future.result(timeout=RESULT_S)
            except (LostObjectiveError, TimeoutError, distributed.scheduler.KilledWorker):
                self._members.forget(member)
                batch.lost(handed)
                self._check_deaths(batch, handed.part)
                continue
            batch.answered(handed, self._now)
            member.subnets += subnets
            member.seconds += self._now - handed.since
