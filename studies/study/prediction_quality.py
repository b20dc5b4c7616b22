"""Prediction quality of model-based samplers, per generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats

RANDOM, SURROGATE, PLAIN, EXACT = "random", "surrogate", "nsga2", "exact"
"""Sources of a generation."""


@dataclass(frozen=True)
class GenerationReport:
    """Prediction quality of one generation.

    Attributes:
        source: Origin of its subnets: `RANDOM` draws, the `SURROGATE`, `PLAIN` NSGA-II if there were no
            trustworthy predictions yet, or `EXACT` values if nothing has to be predicted.
        rank_correlation: Kendall's tau-b between predicted and measured values, for the quantity that was
            predicted worst. None if nothing was predicted.
    """

    source: str
    rank_correlation: float | None

    def __str__(self) -> str:
        """E.g. ``surrogate, rank correlation 0.83``."""
        if self.rank_correlation is None:
            return self.source
        return f"{self.source}, rank correlation {self.rank_correlation:.2f}"


def summary(reports: Sequence[GenerationReport]) -> list[str]:
    """Lines of text: rank correlation by generation, and the generations without the surrogate."""
    if not reports:
        return []
    correlations = [report.rank_correlation for report in reports]
    texts = [f"{correlation:.2f}" for correlation in correlations if correlation is not None]
    plain = [
        str(number)
        for number, (report, correlation) in enumerate(zip(reports, correlations, strict=True), start=1)
        if report.source == PLAIN and correlation is not None
    ]
    if not texts:
        is_exact = any(report.source == EXACT for report in reports)
        text = "nothing to predict, NSGA-II on exact values" if is_exact else "too few networks to predict"
        return [f"surrogate: {text}"]
    lines = [f"surrogate: rank correlation by generation {' '.join(texts)}"]
    if plain:
        lines.append(f"surrogate not trusted, plain NSGA-II instead in generation {', '.join(plain)}")
    return lines


def kendall(first: Floats, second: Floats) -> float:
    """Kendall's tau-b of two sequences (n,): 1 for the same order, -1 for the opposite one.

    Ties in one sequence count for neither. The result is 0 if one sequence is constant or has fewer than 2
    values, since it has no order to compare with.
    """
    orders = [np.sign(values[:, None] - values[None, :]) for values in (first, second)]
    pairs = np.sqrt(np.prod([np.abs(order).sum() for order in orders]))
    return float((orders[0] * orders[1]).sum() / pairs) if pairs else 0.0
