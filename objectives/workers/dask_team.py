"""Workers of a Dask cluster (https://distributed.dask.org).

The objective is sent to each worker, weights and images included, also to those that join later: a cluster
needs this project installed and none of its files.
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
"""How long a scheduler may take to answer."""
PATIENCE_S = 120.0
"""How long a cluster may be without any worker: schedulers of batch jobs take a while to start them."""
_POLL_S = 2.0


class DaskTeam:
    """Workers of a Dask cluster that hold an objective.

    Dask gives the work of a lost worker to another one.

    Args:
        objective: What they measure.
        address: The cluster's scheduler, such as ``tcp://10.0.0.1:8786``.
        connect_s: Seconds that the scheduler may take to answer.
        patience_s: Seconds that the cluster may be without any worker.

    Raises:
        WorkerError: Nobody answers at `address`, no worker comes, or one has other versions.
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
        # What it has to say is said by the errors below, in one line.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        try:
            # A client that finds nobody complains once more when it is collected.
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
        """Threads of all workers that are there now; each measures a part alone."""
        return max(sum(self._threads()), 1)

    def measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        """Values of each part, in order.

        Raises:
            WorkerError: The cluster is lost, or lost its workers and got no others.
            Exception: Whatever the objective raised in a worker.
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
        """Takes the objective from the workers and leaves the cluster, which goes on."""
        if self._client.status == "running":
            with contextlib.suppress(OSError, TimeoutError, CancelledError, ValueError):
                self._client.unregister_worker_plugin(self._name)
        self._client.close()

    def _greet(self, objective: Objective) -> None:
        """Checks the workers and sends them the objective."""
        self._wait([])
        check_versions(versions(), self._client.run(versions))
        parcel, pieces = pack(objective)
        block = b"".join(pieces)
        self._name = "h4h-" + hashlib.sha256(parcel.content + block).hexdigest()
        self._client.register_plugin(_Holder(parcel, block, versions()), name=self._name)

    def _threads(self) -> list[int]:
        """Threads of each worker."""
        return list(self._client.nthreads().values())

    def _wait(self, futures: list[distributed.Future[Any]]) -> None:
        """Waits until `futures` are there; without any, for a worker."""
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
                        f"start some and repeat the command: it goes on from what is stored"
                    )
            if futures:
                with contextlib.suppress(TimeoutError), self._client.as_current():
                    distributed.wait(futures, timeout=_POLL_S)
                    return
            else:
                time.sleep(min(_POLL_S, self._patience_s / 4))


async def _knock(address: str, timeout_s: float) -> None:
    """Raises `OSError` or `ValueError` if nobody listens at `address`."""
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
    """What a worker does with a part."""
    holder: Any = distributed.get_worker().plugins[name]
    values: Floats = holder.objective(subnets)
    return values


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    """Turns what a lost cluster raises into one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise WorkerError(
            f"a worker of the Dask cluster at {address} lacks the package {error.name!r}: install this "
            f"project there, in the same version"
        ) from error
    except distributed.scheduler.KilledWorker as error:
        raise WorkerError(
            f"several workers of the Dask cluster at {address} died over the same subnets; where memory runs "
            f"out, a smaller --memory helps. What is stored is kept: the same command goes on"
        ) from error
    except (OSError, TimeoutError, CancelledError) as error:
        raise WorkerError(
            f"the Dask cluster at {address} is lost ({type(error).__name__}); what is stored is kept: the "
            f"same command goes on when it is back"
        ) from error
