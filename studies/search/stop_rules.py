"""Stopping rules of a search. A rule decides when to stop, never what is evaluated.

A stopped study is therefore resumed exactly with larger limits, and rules are not part of its fingerprint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

GAIN = 1e-9
"""Least growth of the hypervolume (0 to 1) that counts as a gain; less may be the noise of its last bits."""


@dataclass(frozen=True, kw_only=True)
class StopRules:
    """Limits of a search; the first one that is reached stops it. None means no limit.

    Attributes:
        evaluations: Number of subnets, stored ones included. The search may stop within a generation.
        generations: Number of complete generations, stored ones included.
        minutes: Time of this run in minutes, from its first subnet on.
        patience: Number of generations in a row without a gain; see `Plateau`.
    """

    evaluations: int | None = None
    generations: int | None = None
    minutes: float | None = None
    patience: int | None = None

    def __str__(self) -> str:
        """E.g. ``12 generations or 30 minutes``."""
        texts = [
            None if self.generations is None else _counted(self.generations, "generation"),
            None if self.evaluations is None else _counted(self.evaluations, "evaluation"),
            None if self.minutes is None else _counted(self.minutes, "minute"),
            None if self.patience is None else f"{_counted(self.patience, 'generation')} without gain",
        ]
        return " or ".join(text for text in texts if text is not None)

    def given(self) -> dict[str, float]:
        """The given rules, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}

    def total(self, population: int) -> int | None:
        """Largest number of evaluations of the search; None if no rule limits it."""
        limits = [] if self.evaluations is None else [self.evaluations]
        limits += [] if self.generations is None else [self.generations * population]
        return min(limits, default=None)

    def within(self, *, evaluations: int, elapsed_s: float) -> str | None:
        """The rule that stops a search within a generation, or None.

        Args:
            evaluations: Number of evaluations.
            elapsed_s: Seconds since this run began.
        """
        if self.evaluations is not None and evaluations >= self.evaluations:
            return "evaluations"
        if self.minutes is not None and elapsed_s >= 60 * self.minutes:
            return "minutes"
        return None

    def between(self, *, generations: int, idle: int, evaluations: int, elapsed_s: float) -> str | None:
        """The rule that stops a search at the end of a generation, or None.

        Args:
            generations: Number of complete generations.
            idle: Number of generations without a gain since the last gain.
            evaluations: Number of evaluations.
            elapsed_s: Seconds since this run began.
        """
        if self.generations is not None and generations >= self.generations:
            return "generations"
        if self.patience is not None and idle >= self.patience:
            return "patience"
        return self.within(evaluations=evaluations, elapsed_s=elapsed_s)


class Plateau:
    """Counts generations without a gain.

    A gain is a larger hypervolume or, while no network is feasible, a smaller least sum of violations. So a
    search is not stopped while it approaches the feasible region.
    """

    def __init__(self) -> None:
        self.idle = 0
        self._violation = math.inf
        self._hypervolume = 0.0

    def add(self, violation: float, hypervolume: float) -> None:
        """Adds a generation.

        Args:
            violation: Least sum of violations of its subnets; 0 if one is feasible.
            hypervolume: Hypervolume of the study so far.
        """
        is_gain = violation < self._violation - GAIN or hypervolume > self._hypervolume + GAIN
        self.idle = 0 if is_gain else self.idle + 1
        self._violation = min(violation, self._violation)
        self._hypervolume = max(hypervolume, self._hypervolume)


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
