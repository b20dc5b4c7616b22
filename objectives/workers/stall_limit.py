"""Time limits of parts on workers, from the slowest pace so far."""

from __future__ import annotations

import math

DEATHS = 3
"""Number of workers that may die or stall while they measure one part before the measurement fails."""
PATIENCE = 20.0
"""Times the slowest pace so far that a worker may take for its part before it counts as stalled."""
LEAST_WAIT_S = 60.0
"""Seconds that a worker may take in any case."""
SECOND_COPY = 2.0
"""Times the slowest pace so far after which an idle worker measures the same part as well."""
LEAST_COPY_S = 5.0
"""Seconds before an idle worker measures the same part in any case."""


class StallLimit:
    """Time limits of parts, from the slowest pace so far. Before any part is finished, there is none.

    Args:
        patience: Times the slowest pace that a worker may take for a part.
        least_wait_s: Seconds that a worker may take in any case.
    """

    def __init__(self, patience: float = PATIENCE, least_wait_s: float = LEAST_WAIT_S) -> None:
        self._patience = patience
        self._least_wait_s = least_wait_s
        self._slowest: float | None = None

    def add(self, seconds: float, subnets: int) -> None:
        """Takes a finished part into account."""
        self._slowest = max(self._slowest or 0.0, seconds / max(subnets, 1))

    def is_stalled(self, seconds: float, subnets: int) -> bool:
        """Whether a worker that has measured a part of this size for `seconds` counts as stalled."""
        return seconds > self.limit_s(subnets)

    def is_overdue(self, seconds: float, subnets: int) -> bool:
        """Whether an idle worker should measure the same part as well."""
        return seconds > self.copy_s(subnets)

    def limit_s(self, subnets: int) -> float:
        """Seconds after which a worker with a part of this size counts as stalled."""
        return self._after(self._patience, self._least_wait_s, subnets)

    def copy_s(self, subnets: int) -> float:
        """Seconds after which an idle worker measures a part of this size as well."""
        return self._after(SECOND_COPY, min(LEAST_COPY_S, self._least_wait_s), subnets)

    def _after(self, times: float, least_s: float, subnets: int) -> float:
        return math.inf if self._slowest is None else max(least_s, times * self._slowest * subnets)
