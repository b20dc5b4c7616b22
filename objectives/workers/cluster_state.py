"""State of a cluster during a search: its workers, their speed, and parts handed out again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClusterState:
    """State of a cluster.

    Attributes:
        workers: Number of workers that measure now.
        threads: Number of parts that they measure at a time.
        handed_again: Number of parts that were handed out again, since a worker died, stalled or was late.
        subnets_per_second: Speed of each worker while it measured, by address; workers that left included.
    """

    workers: int
    threads: int
    handed_again: int
    subnets_per_second: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """E.g. ``4 workers, 2 parts handed out again``."""
        text = f"{self.workers} worker{'s' * (self.workers != 1)}"
        again = f"{self.handed_again} part{'s' * (self.handed_again != 1)} handed out again"
        return f"{text}, {again}" if self.handed_again else text
