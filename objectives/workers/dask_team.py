"""Workers of a Dask cluster (https://distributed.dask.org).

Each worker receives the objective with its weights and images, also a worker that joins later. Workers need
this project installed, but none of its data files.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any

import distributed
from distributed.comm.core import connect
from distributed.diagnostics.plugin import WorkerPlugin

from objectives.objective import Objective
from objectives.workers.packed_objective import Parcel, pack
from objectives.workers.versions import WorkerError, check_versions, versions
from search_space.arrays import Floats
from search_space.subnet import Subnet

CONNECT_S = 10.0
"""Default time limit for the scheduler's answer, in seconds."""
PATIENCE_S = 120.0
"""Default time that a cluster may be without workers, in seconds. Batch schedulers start them with delay."""
_POLL_S = 2.0


class DaskTeam:
    """Workers of a Dask cluster that hold an objective.

    If a worker is lost, Dask gives its work to another worker.

    Args:
        objective: The objective to measure.
        address: Address of the cluster's scheduler, such as ``tcp://10.0.0.1:8786``.
        connect_s: Time limit for the scheduler's answer, in seconds.
        patience_s: Time that the cluster may be without workers, in seconds.

    Raises:
        WorkerError: No scheduler answers at `address`, no worker joins, or a worker has other versions.
    """

    def __init__(
        self,
        objective: Objective,
        address: str,
        *,
        connect_s: float = CONNECT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._address = address
        self._patience_s = patience_s
        # The errors below report the same in one line.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            # A client without a scheduler logs a second error when it is garbage-collected.
            asyncio.run(_knock(address, connect_s))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
                self._client = distributed.Client(address, timeout=connect_s, set_as_default=False)
        except (OSError, ValueError) as error:
            raise WorkerError(
                f"no Dask scheduler answers at --dask {address} within {connect_s:g} s; it must be an "
                f"address such as tcp://10.0.0.1:8786, as `dask scheduler` prints it"
            ) from error
        try:
            with _translated(address):
                self._greet(objective)
        except BaseException:
            self._client.close()
            raise

    @property
    def size(self) -> int:
        """Number of threads of all present workers; each thread measures one part at a time."""
        return max(sum(self._threads()), 1)

    def measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        """Values of each part, in order.

        Raises:
            WorkerError: The cluster is lost, or has lost all workers and got no new ones.
            Exception: The exception that the objective raised in a worker.
        """
        with _translated(self._address):
            futures = self._client.map(_measure, [self._name] * len(parts), parts, pure=False)
            try:
                self._wait(futures)
                values: list[Floats] = self._client.gather(futures)
                return values
            except BaseException:
                self._client.cancel(futures)
                raise

    def close(self) -> None:
        """Removes the objective from the workers and disconnects. The cluster keeps running."""
        if self._client.status == "running":
            with contextlib.suppress(OSError, TimeoutError, CancelledError, ValueError):
                self._client.unregister_worker_plugin(self._name)
        self._client.close()

    def _greet(self, objective: Objective) -> None:
        """Checks the versions of the workers and sends them the objective."""
        self._wait([])
        check_versions(versions(), self._client.run(versions))
        parcel, pieces = pack(objective)
        block = b"".join(pieces)
        self._name = "h4h-" + hashlib.sha256(parcel.content + block).hexdigest()
        self._client.register_plugin(_Holder(parcel, block, versions()), name=self._name)

    def _threads(self) -> list[int]:
        """Number of threads of each worker."""
        return list(self._client.nthreads().values())

    def _wait(self, futures: list[distributed.Future[Any]]) -> None:
        """Waits until all `futures` are done; without futures, until a worker joins."""
        lost_at: float | None = None
        while True:
            if self._threads():
                lost_at = None
                if not futures:
                    return
            else:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > self._patience_s:
                    raise WorkerError(
                        f"the Dask cluster at {self._address} has had no worker for {self._patience_s:g} s; "
                        f"start workers and repeat the command to resume"
                    )
            if futures:
                with contextlib.suppress(TimeoutError), self._client.as_current():
                    distributed.wait(futures, timeout=_POLL_S)
                    return
            else:
                time.sleep(min(_POLL_S, self._patience_s / 4))


async def _knock(address: str, timeout_s: float) -> None:
    """Raises `OSError` or `ValueError` if no server listens at `address`."""
    connection = await connect(address, timeout=timeout_s)
    await connection.close()


class _Holder(WorkerPlugin):
    """Gives a worker the objective when it joins."""

    objective: Objective

    def __init__(self, parcel: Parcel, block: bytes, expected: dict[str, str]) -> None:
        self._parcel = parcel
        self._block = block
        self._expected = expected

    def setup(self, worker: distributed.Worker) -> None:
        check_versions(self._expected, {worker.address: versions()})
        self.objective = self._parcel.unpack(bytearray(self._block))
        self._block = b""


def _measure(name: str, subnets: Sequence[Subnet]) -> Floats:
    """Measures one part; runs in a worker."""
    holder: Any = distributed.get_worker().plugins[name]
    values: Floats = holder.objective(subnets)
    return values


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    """Turns exceptions of a lost cluster into `WorkerError`."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"a worker of the Dask cluster at {address} lacks the package {error.name!r}: install this "
            f"project there, in the same version"
        ) from error
    except distributed.scheduler.KilledWorker as error:
        raise WorkerError(
            f"several workers of the Dask cluster at {address} died while they measured the same subnets; "
            f"lower --memory if they ran out of memory, and repeat the command to resume"
        ) from error
    except (OSError, TimeoutError, CancelledError) as error:
        raise WorkerError(
            f"the Dask cluster at {address} is lost ({type(error).__name__}); repeat the command to resume "
            f"when the cluster is back"
        ) from error
