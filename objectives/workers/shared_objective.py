"""Shared objective: one that a team of workers measures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from objectives.objective import Dependency, Direction, Objective
from objectives.workers.cluster_state import ClusterState
from objectives.workers.local_team import LocalTeam
from search_space import complexity
from search_space.arrays import Floats
from search_space.subnet import Subnet


class Team(Protocol):
    """Workers that hold the same objective."""

    @property
    def size(self) -> int:
        """Number of parts that a batch is cut into, at least 1."""
        ...

    def measure(self, parts: Sequence[Sequence[Subnet]]) -> list[Floats]:
        """Values of each part, in order.

        Raises:
            WorkerError: A part could not be measured because workers died.
        """
        ...

    def close(self) -> None:
        """Ends all processes of the team. A later `measure` starts new ones."""
        ...


class ClusterTeam(Team, Protocol):
    """Workers of a cluster."""

    def state(self) -> ClusterState:
        """Workers and their speed."""
        ...


class SharedObjective:
    """An objective whose batches are cut into parts, one for each worker of a team.

    The values equal those of `objective` bit for bit, since a value depends on its subnet only.

    Args:
        objective: The objective to measure.
        team: Workers that hold the objective.
    """

    def __init__(self, objective: Objective, team: LocalTeam | ClusterTeam) -> None:
        self._objective = objective
        self._team = team

    @property
    def name(self) -> str:
        return self._objective.name

    @property
    def unit(self) -> str:
        return self._objective.unit

    @property
    def direction(self) -> Direction:
        return self._objective.direction

    @property
    def depends_on(self) -> tuple[Dependency, ...]:
        return self._objective.depends_on

    @property
    def follows_size(self) -> bool:
        return self._objective.follows_size

    @property
    def is_expensive(self) -> bool:
        return self._objective.is_expensive

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values of n subnets, float64 (n,), in order.

        Raises:
            WorkerError: Some subnets could not be measured because workers died.
        """
        parts = even_parts(subnets, self._team.size)
        return np.concatenate([np.zeros(0), *self._team.measure(parts)])

    def fingerprint(self) -> dict[str, str]:
        """Fingerprint of the objective; the team does not change values."""
        return self._objective.fingerprint()

    @property
    def processor(self) -> str | None:
        """What the objective says of the processor that it needs; all workers have the same."""
        return getattr(self._objective, "processor", None)

    def cluster_state(self) -> ClusterState | None:
        """State of the Dask cluster that measures; None for processes of this machine."""
        return None if isinstance(self._team, LocalTeam) else self._team.state()

    def close(self) -> None:
        """Ends the team's processes."""
        self._team.close()


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster that measures.

    Attributes:
        address: Address of its scheduler.
        tls: Files of the CA, the certificate and the key; empty without them.
        notify: Receives lines for the user.
    """

    address: str
    tls: tuple[str, ...] = ()
    notify: Callable[[str], object] = lambda _: None


def shared(
    objective: Objective,
    *,
    workers: int = 1,
    cluster: Cluster | None = None,
    probe: Sequence[Subnet] = (),
    memory: float = 0.0,
) -> Objective:
    """`objective` measured by a team of workers, or `objective` itself for one worker without a cluster.

    Args:
        objective: The objective to measure.
        workers: Number of processes of this machine.
        cluster: A Dask cluster that measures instead.
        probe: Subnets that each worker of the cluster measures first; the values must agree with those of
            this process.
        memory: Bytes by which one measurement may let a process of the cluster grow.

    Raises:
        WorkerError: The cluster cannot be used.
    """
    if cluster is not None:
        from objectives.workers.dask_team import DaskTeam  # Takes a second to import.

        team = DaskTeam(
            objective, cluster.address, tls=cluster.tls, probe=probe, memory=memory, notify=cluster.notify
        )
        return SharedObjective(objective, team)
    return objective if workers == 1 else SharedObjective(objective, LocalTeam(objective, workers))


def even_parts(subnets: Sequence[Subnet], count: int) -> list[Sequence[Subnet]]:
    """Cuts `subnets` into consecutive parts of about equal multiply-accumulates.

    Neighbours stay together: in a sorted batch they begin with the same blocks and share their computation.

    Args:
        subnets: Subnets in any order.
        count: Largest number of parts, at least 1.

    Returns:
        At most `count` parts, none of them empty. The work of a part exceeds an equal share by at most one
        subnet.
    """
    if not subnets:
        return []
    macs = np.array([complexity.macs(subnet) for subnet in subnets], dtype=np.float64)
    # A subnet belongs to the part in which the middle of its work lies.
    middles = macs.cumsum() - macs / 2
    places = np.minimum(middles * count // macs.sum(), count - 1)
    starts = [0, *(np.flatnonzero(np.diff(places)) + 1), len(subnets)]
    return [subnets[start:end] for start, end in pairwise(starts)]
