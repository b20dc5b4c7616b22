"""Workers that start at once: forks of Python's own fork server, which has imported what they need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from typing import Any

import dask
import distributed

MODULES = ("objectives.accuracy_objective", "objectives.workers.dask_team", "objectives.workers.local_team")
"""What the server has imported; distributed comes with them."""


def started() -> ForkServerContext:
    """How this process starts others, with a fork server that runs."""
    context = ForkServerContext()
    context.set_forkserver_preload(list(MODULES))
    forkserver.ensure_running()
    return context


@contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """A Dask cluster with so many processes of one thread on this machine."""
    started()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster
