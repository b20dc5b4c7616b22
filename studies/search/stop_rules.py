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
        evaluations: Subnets, those already stored included; may end within a generation.
        generations: Complete generations, those already stored included.
        minutes: Time of this run, from its first subnet on.
        patience: Generations in a row without a gain, see `Plateau`.
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
        """The rules there are, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if value is not None}

    def total(self, population: int) -> int | None:
        """Evaluations at which the search stops at the latest; None if that is not known."""
        limits = [] if self.evaluations is None else [self.evaluations]
        limits += [] if self.generations is None else [self.generations * population]
        return min(limits, default=None)

    def within(self, *, evaluations: int, elapsed_s: float) -> str | None:
        """The rule that stops a search in the middle of a generation, or None.

        Args:
            evaluations: How many there are.
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
            generations: How many are complete.
            idle: How many the last ones without a gain are.
            evaluations: How many there are.
            elapsed_s: Seconds since this run began.
        """
        if self.generations is not None and generations >= self.generations:
            return "generations"
        if self.patience is not None and idle >= self.patience:
            return "patience"
        return self.within(evaluations=evaluations, elapsed_s=elapsed_s)


class Plateau:
    """Counts generations without a gain.

    A gain is more hypervolume; as long as no network is feasible, it is a smaller least sum of violations.
    So a search that has yet to find its feasible region is not cut off while it comes nearer.
    """

    def __init__(self) -> None:
        self.idle = 0
        self._violation = math.inf
        self._hypervolume = 0.0

    def add(self, violation: float, hypervolume: float) -> None:
        """Takes in a generation.

        Args:
            violation: Least sum of violations of its subnets; 0 if one is feasible.
            hypervolume: Of the study so far.
        """
        is_gain = violation < self._violation - GAIN or hypervolume > self._hypervolume + GAIN
        self.idle = 0 if is_gain else self.idle + 1
        self._violation = min(violation, self._violation)
        self._hypervolume = max(hypervolume, self._hypervolume)


def _counted(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"
