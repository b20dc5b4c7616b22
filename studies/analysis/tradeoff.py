"""Trade-off curves of two objectives, and the gain of one curve over another at equal values.

These are the measures of H4H (ASP-DAC 2025): accuracy gained at equal latency or energy, and latency or
energy saved at equal accuracy. A curve joins the points of a two-dimensional Pareto front by straight lines.
Two curves are compared only over the range that both cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from search_space.arrays import Floats
from studies.study.pareto_front import nondominated


@dataclass(frozen=True)
class Tradeoff:
    """A front of quality against cost.

    Attributes:
        cost: Ascending, shape (n,); less is better.
        quality: Ascending, shape (n,); more is better.
    """

    cost: Floats
    quality: Floats


@dataclass(frozen=True)
class Gain:
    """Gain of one curve over another along the range that both cover.

    Attributes:
        mean: Mean gain over the range.
        max: Largest gain.
        range: First and last value of the range: costs or qualities at which the curves are compared.
        mean_interval, max_interval: 95 % intervals by bootstrap; None where nothing is known to vary.
    """

    mean: float
    max: float
    range: tuple[float, float]
    mean_interval: tuple[float, float] | None = None
    max_interval: tuple[float, float] | None = None


def tradeoff(cost: Floats, quality: Floats) -> Tradeoff:
    """The front of n points: dominated points removed, one point per cost.

    Args:
        cost: Shape (n,); less is better.
        quality: Shape (n,); more is better.
    """
    points = np.unique(np.column_stack([cost, -quality]), axis=0)
    front = points[nondominated(points)]
    return Tradeoff(front[:, 0], -front[:, 1])


def within(
    curve: Tradeoff, costs: tuple[float, float] | None, qualities: tuple[float, float] | None
) -> Tradeoff:
    """The part of a curve inside a window; straight lines give its ends where no point lies there.

    Args:
        curve: The curve.
        costs: Least and greatest cost of the window; None without a limit.
        qualities: Least and greatest quality; None without a limit.
    """
    if len(curve.cost) == 0:
        return curve
    low, high = costs or (-np.inf, np.inf)
    if qualities is not None:
        if qualities[0] > curve.quality[-1] or qualities[1] < curve.quality[0]:
            return Tradeoff(np.empty(0), np.empty(0))
        ends = np.interp(qualities, curve.quality, curve.cost)
        low, high = max(low, float(ends[0])), min(high, float(ends[1]))
    low, high = max(low, float(curve.cost[0])), min(high, float(curve.cost[-1]))
    if low > high:
        return Tradeoff(np.empty(0), np.empty(0))
    inside = (curve.cost > low) & (curve.cost < high)
    cost = np.unique(np.concatenate([[low], curve.cost[inside], [high]]))
    return Tradeoff(cost, np.interp(cost, curve.cost, curve.quality))


def quality_gained(first: Tradeoff, second: Tradeoff) -> Gain | None:
    """Quality of `second` minus that of `first` at equal cost; None if they share no range."""
    shared = _shared(first.cost, second.cost)
    if shared is None:
        return None

    def gain(at: Floats) -> Floats:
        return np.interp(at, second.cost, second.quality) - np.interp(at, first.cost, first.quality)

    return _over(gain, np.concatenate([first.cost, second.cost]), shared)


def cost_saved(first: Tradeoff, second: Tradeoff) -> Gain | None:
    """Share of the cost of `first` that `second` saves at equal quality, in %; None without a range."""
    shared = _shared(first.quality, second.quality)
    if shared is None:
        return None

    def saved(at: Floats) -> Floats:
        before = np.interp(at, first.quality, first.cost)
        return 100 * (1 - np.interp(at, second.quality, second.cost) / before)

    return _over(saved, np.concatenate([first.quality, second.quality]), shared)


def _shared(first: Floats, second: Floats) -> tuple[float, float] | None:
    if len(first) == 0 or len(second) == 0:
        return None
    low, high = max(first[0], second[0]), min(first[-1], second[-1])
    return (float(low), float(high)) if low <= high else None


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def _over(function: Callable[[Floats], Floats], corners: Floats, shared: tuple[float, float]) -> Gain:
    """Mean and maximum of a function that is smooth and monotone between its corners.

    Both are exact up to rounding where the function is linear, as a difference of qualities is. The mean of a
    quotient of linear functions uses Gauss-Legendre quadrature.
    """
    low, high = shared
    inside = corners[(corners > low) & (corners < high)]
    edges = np.unique(np.concatenate([[low], inside, [high]]))
    largest = float(function(edges).max())
    if low == high:
        return Gain(largest, largest, shared)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    values = function((middle[:, None] + half[:, None] * _NODES).ravel()).reshape(len(half), -1)
    mean = float((values @ _WEIGHTS * half).sum() / (high - low))
    return Gain(mean, largest, shared)
