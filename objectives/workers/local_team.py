"""Workers that are processes of this machine.

They start when they are first needed and share the memory of weights and images. They end with the process
that started them, even if it is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection as connections
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, cast

from h4h_start import STOP_SIGNALS
from objectives.objective import Objective
from objectives.workers.packed_objective import Parcel, pack
from objectives.workers.shared_block import SharedBlock
from objectives.workers.stall_limit import DEATHS, LEAST_WAIT_S, PATIENCE, StallLimit
from objectives.workers.versions import WorkerError
from search_space.arrays import Floats
from search_space.command.stop_signals import stopping
from search_space.subnet import Subnet

_POLL_S = 1.0
_HAS_SIGNAL_MASKS = hasattr(signal, "pthread_sigmask")


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    connection: Connection[Any, Any]

    def stop(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


class LocalTeam:
    """Processes of this machine that hold an objective.

    If a worker dies or stalls, a new worker takes its place, and another worker measures its part. A worker
    stalls if it takes `patience` times as long for each subnet as the slowest part so far. Before any part is
    finished, no pace is known and nobody counts as stalled.

    Args:
        objective: The objective to measure. It is pickled, so its class must lie in a module.
        size: Largest number of processes, at least 1.
        patience: Multiple of the slowest pace.
        least_wait_s: Seconds that a worker may take in any case.
    """

    def __init__(
        self,
        objective: Objective,
        size: int,
        *,
        patience: float = PATIENCE,
        least_wait_s: float = LEAST_WAIT_S,
    ) -> None:
        self.size = size
        self._stall_limit = StallLimit(patience, least_wait_s)
        self._parcel, pieces = pack(objective)
        self._block = SharedBlock(pieces)
        self._idle: list[_Worker] = []
        self._all: list[_Worker] = []
        # Ends the processes if the owner does not close the team.
        self._stop = weakref.finalize(self, _stop, self._all)

    def measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        """Values of each part, in order.

        Raises:
            WorkerError: `DEATHS` workers died or stalled while they measured one part.
            Exception: The exception that the objective raised in a worker.
        """
        try:
            return self._measure(parts)
        except BaseException:
            # Other workers still measure parts that are no longer needed.
            self.close()
            raise

    def close(self) -> None:
        """Ends the processes at once. A later `measure` starts new ones."""
        _stop(self._all)
        self._idle.clear()

    def _measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        waiting = deque(range(len(parts)))
        busy: dict[Connection[Any, Any], tuple[_Worker, int]] = {}
        deaths: Counter[int] = Counter()
        values: dict[int, Floats] = {}
        waited: dict[Connection[Any, Any], float] = {}
        while waiting or busy:
            while waiting and len(busy) < self.size:
                worker, part = self._idle.pop() if self._idle else self._start(), waiting.popleft()
                busy[worker.connection] = worker, part
                waited[worker.connection] = 0.0
                with suppress(OSError):  # A worker may have died while idle; `recv` below reports it.
                    worker.connection.send(parts[part])
            start = time.monotonic()
            finished = cast("list[Connection[Any, Any]]", connections.wait(list(busy), timeout=_POLL_S))
            # A longer pause is one of this process itself, such as Ctrl-Z.
            passed = min(time.monotonic() - start, 2 * _POLL_S)
            for connection in busy:
                waited[connection] += passed
            for late in self._stalled(busy, waited, parts) - set(finished):
                worker, part = busy.pop(late)
                deaths[part] += 1
                worker.process.kill()
                self._bury(worker, deaths[part], len(parts[part]))
                waiting.appendleft(part)
            for ready in finished:
                worker, part = busy.pop(ready)
                try:
                    answer = ready.recv()
                except (EOFError, OSError):
                    deaths[part] += 1
                    self._bury(worker, deaths[part], len(parts[part]))
                    waiting.appendleft(part)
                    continue
                self._idle.append(worker)
                if isinstance(answer, BaseException):
                    raise answer
                values[part] = answer
                self._stall_limit.add(waited[ready], len(parts[part]))
        return [values[part] for part in range(len(parts))]

    def _stalled(
        self,
        busy: Mapping[Connection[Any, Any], tuple[_Worker, int]],
        waited: Mapping[Connection[Any, Any], float],
        parts: Sequence[Sequence[Subnet]],
    ) -> set[Connection[Any, Any]]:
        """Workers that take much longer than the slowest part so far."""
        return {
            connection
            for connection, (_, part) in busy.items()
            if self._stall_limit.is_stalled(waited[connection], len(parts[part]))
        }

    def _bury(self, worker: _Worker, deaths: int, subnets: int) -> None:
        """Removes a dead worker. Raises `WorkerError` if its part has cost `DEATHS` workers."""
        self._all.remove(worker)
        worker.process.join()
        worker.connection.close()
        if deaths >= DEATHS:
            code = worker.process.exitcode or 0
            cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise WorkerError(
                f"{deaths} workers died or stalled while they measured the same {subnets} subnets, the "
                f"last by {cause}; lower --workers or --memory if they ran out of memory, and repeat the "
                f"command to resume"
            )

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        # Python's resource tracker unblocks Ctrl-C when it starts, so it must start before the block below.
        if _HAS_SIGNAL_MASKS:  # Windows has neither.
            resource_tracker.ensure_running()
        with _without_interrupt():
            package = _Package(self._parcel, self._block)
            process = context.Process(target=_serve, args=(theirs, package), daemon=True)
            process.start()
            theirs.close()
            worker = _Worker(process, ours)
            self._all.append(worker)
        return worker


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Delays stop signals until a worker has started, and blocks them in the worker.

    Ctrl-C and a closing terminal reach all processes of a terminal, but only the owner may end a worker. A
    worker inherits the blocked signals and never receives them, not even while it starts. In the owner,
    another thread may receive a signal despite the block, so its handler is replaced as well. Windows has no
    masks: there a worker ignores Ctrl-C once it serves.
    """
    caught: list[int] = []
    with _blocked_signals(), stopping(lambda number, _: caught.append(number)):
        yield
    for number in caught:
        signal.raise_signal(number)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """Blocks stop signals in this thread, and in processes that it starts, where the system can."""
    if not _HAS_SIGNAL_MASKS:
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@dataclass(frozen=True)
class _Package:
    """A parcel with its block, as it travels to a starting process."""

    parcel: Parcel
    block: SharedBlock

    def open(self) -> Any:
        return self.parcel.unpack(cast(memoryview, self.block.open()))


def _serve(connection: Connection[Any, Any], package: _Package) -> None:
    """Main loop of a worker: measures the parts it receives until its owner ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if not _HAS_SIGNAL_MASKS:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    objective: Objective | None = None
    while True:
        try:
            part = connection.recv()
        except (EOFError, OSError):
            return
        try:
            objective = objective or package.open()
            answer: Floats | Exception = objective(part)
        except Exception as error:
            answer = error
        try:
            connection.send(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    """Ends this process when its parent ends, even during a measurement."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _stop(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().stop()
