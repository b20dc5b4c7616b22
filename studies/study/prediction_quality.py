"""What a sampler that predicts says of a generation once it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANDOM, SURROGATE, PLAIN, EXACT = "random", "surrogate", "nsga2", "exact"
"""What may have chosen a generation."""


@dataclass(frozen=True)
class GenerationReport:
    """One generation.

    Attributes:
        source: What chose it: `RANDOM` draws, the `SURROGATE`, `PLAIN` NSGA-II where there were no
            predictions yet or none to be trusted, or `EXACT` values where nothing has to be predicted.
        rank_correlation: Kendall's tau-b between what was predicted of its networks before they were
            measured and what was measured; of the quantity that was predicted worst. None where nothing was
            predicted.
    """

    source: str
    rank_correlation: float | None

    def __str__(self) -> str:
        """E.g. ``surrogate, rank correlation 0.83``."""
        if self.rank_correlation is None:
            return self.source
        return f"{self.source}, rank correlation {self.rank_correlation:.2f}"


def summary(reports: Sequence[GenerationReport]) -> list[str]:
    """Lines for people: how well generations were predicted, and which were not left to the surrogate."""
    if not reports:
        return []
    found = [one.rank_correlation for one in reports]
    texts = [f"{one:.2f}" for one in found if one is not None]
    plain = [
        str(number)
        for number, (one, correlation) in enumerate(zip(reports, found, strict=True), start=1)
        if one.source == PLAIN and correlation is not None
    ]
    if not texts:
        is_exact = any(one.source == EXACT for one in reports)
        text = "nothing to predict, NSGA-II on exact values" if is_exact else "too few networks to predict"
        return [f"surrogate: {text}"]
    lines = [f"surrogate: rank correlation by generation {' '.join(texts)}"]
    if plain:
        lines.append(f"surrogate not trusted, plain NSGA-II instead in generation {', '.join(plain)}")
    return lines


def kendall(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Kendall's tau-b of two sequences (n,): 1 for the same order, -1 for the opposite one.

    Pairs that are equal in one of them count for neither. 0 where one of them is constant, since then it
    says nothing about the order of the other; so also for fewer than 2 values.
    """
    orders = [np.sign(one[:, None] - one[None, :]) for one in (first, second)]
    pairs = np.sqrt(np.prod([np.abs(order).sum() for order in orders]))
    return float((orders[0] * orders[1]).sum() / pairs) if pairs else 0.0
