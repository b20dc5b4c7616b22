"""Measures of a pair of fronts: cost at accuracy, accuracy at cost, saving, points gained, blocks.

A front is a set of n networks with costs (n,) and test accuracies in %, (..., n). Leading dimensions of the
accuracies are resamples of the test images. All functions are steps: nothing is interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.protocol import FEW_VIT, MANY_VIT, Measure
from search_space.arrays import Floats

STEP = 0.25
"""Points between two values of the accuracy grid."""
SPAN = 10.0
"""Points from the bottom to the top of the window."""
GRID = round(SPAN / STEP) + 1
"""Values of the accuracy grid, and of the cost grid."""


@dataclass(frozen=True)
class Front:
    """Networks of a front.

    Attributes:
        costs: Cost of each network, (n,), n at least 1.
        accuracies: Test accuracy of each in %, (..., n).
        conv_blocks: Convolution blocks of each, (n,).
        vit_blocks: ViT blocks of each, (n,).
    """

    costs: Floats
    accuracies: Floats
    conv_blocks: Floats
    vit_blocks: Floats


def cost_at(costs: Floats, accuracies: Floats, wanted: Floats) -> Floats:
    """Lowest cost among networks with at least the wanted accuracy; infinite where there is none.

    Args:
        costs: (n,).
        accuracies: (..., n).
        wanted: Accuracies (..., g).

    Returns:
        Costs (..., g).
    """
    order = np.argsort(costs, kind="stable")
    best = np.maximum.accumulate(accuracies[..., order], axis=-1)
    place = (best[..., None, :] < wanted[..., :, None]).sum(axis=-1)
    found: Floats = np.append(costs[order], np.inf)[place]
    return found


def accuracy_at(costs: Floats, accuracies: Floats, allowed: Floats) -> Floats:
    """Highest accuracy among networks that cost at most what is allowed; NaN where there is none.

    Args:
        costs: (n,).
        accuracies: (..., n).
        allowed: Costs (..., g).

    Returns:
        Accuracies (..., g).
    """
    order = np.argsort(costs, kind="stable")
    best = np.maximum.accumulate(accuracies[..., order], axis=-1)
    best = np.concatenate([np.full((*best.shape[:-1], 1), np.nan), best], axis=-1)
    place = np.searchsorted(costs[order], allowed, side="right")
    found: Floats = np.take_along_axis(best, place, axis=-1)
    return found


def window(chip: Floats, base: Floats) -> Floats:
    """Accuracy grid of a pair of fronts, ascending.

    Its top is the lower of the two highest accuracies, rounded down to `STEP`.

    Args:
        chip: Accuracies of one front (..., n).
        base: Accuracies of the other (..., m).

    Returns:
        (..., `GRID`).
    """
    highest = np.minimum(chip.max(axis=-1), base.max(axis=-1))
    top = np.floor(highest / STEP) * STEP
    # Multiples of a quarter are exact in binary, so a network at the top is not missed by rounding.
    grid: Floats = top[..., None] + STEP * np.arange(1 - GRID, 1)
    return grid


def savings(chip: Front, base: Front) -> Floats:
    """Share of the base's cost that the chip saves at each accuracy of the window, in %, (..., `GRID`)."""
    grid = window(chip.accuracies, base.accuracies)
    ratio = cost_at(chip.costs, chip.accuracies, grid) / cost_at(base.costs, base.accuracies, grid)
    saved: Floats = 100 * (1 - ratio)
    return saved


def points_gained(chip: Front, base: Front) -> Floats:
    """Accuracy of the chip minus that of the base at equal costs, in points, (..., `GRID`).

    The costs lie in equal ratios between the base's cost at the bottom and at the top of the window. NaN at
    a cost that no network of the chip is as low as.
    """
    grid = window(chip.accuracies, base.accuracies)
    low, high = np.moveaxis(cost_at(base.costs, base.accuracies, grid[..., [0, -1]]), -1, 0)
    shares = np.linspace(0.0, 1.0, GRID)
    costs = low[..., None] * (high / low)[..., None] ** shares
    costs[..., -1] = high
    return accuracy_at(chip.costs, chip.accuracies, costs) - accuracy_at(base.costs, base.accuracies, costs)


def vit_per_10_conv(front: Front) -> Floats:
    """ViT blocks per 10 conv blocks of each network, (n,); infinite for ViT blocks alone."""
    some = front.conv_blocks > 0
    none = np.where(front.vit_blocks > 0, np.inf, 0.0)
    return np.divide(10.0 * front.vit_blocks, front.conv_blocks, out=none, where=some)


def in_window(front: Front, grid: Floats) -> NDArray[np.bool_]:
    """Whether each network's accuracy lies inside the window, (..., n)."""
    return (front.accuracies >= grid[..., :1]) & (front.accuracies <= grid[..., -1:])


def blocks_share(chip: Front, base: Front) -> Floats:
    """Share of the chip's networks in the window with 2 to 5 ViT blocks per 10 conv blocks, in %, (...)."""
    inside = in_window(chip, window(chip.accuracies, base.accuracies))
    ratios = vit_per_10_conv(chip)
    within = (ratios >= FEW_VIT) & (ratios <= MANY_VIT)
    count = inside.sum(axis=-1)
    return np.where(count > 0, 100.0 * (inside & within).sum(axis=-1) / np.maximum(count, 1), np.nan)


def blocks_median(chip: Front, base: Front) -> Floats:
    """Median of the ViT blocks per 10 conv blocks of the chip's networks in the window, (...)."""
    inside = in_window(chip, window(chip.accuracies, base.accuracies))
    # Sorted once: the median of a subset is then found by its ranks.
    ratios = vit_per_10_conv(chip)
    order = np.argsort(ratios, kind="stable")
    rank = np.cumsum(inside[..., order], axis=-1)
    count = rank[..., -1:]
    places = [(rank > half).argmax(axis=-1) for half in ((count - 1) // 2, count // 2)]
    middle = np.mean([ratios[order][place] for place in places], axis=0)
    return np.where(count[..., 0] > 0, middle, np.nan)


def measured(chip: Front, base: Front) -> dict[Measure, Floats]:
    """All figures of a pair of fronts, each (...); NaN where one is undefined."""
    saved, gained = savings(chip, base), points_gained(chip, base)
    known = ~np.isnan(gained)
    some = known.any(axis=-1)
    gained_mean = np.where(known, gained, 0.0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    gained_most = np.where(known, gained, -np.inf).max(axis=-1)
    return {
        "saved_mean": saved.mean(axis=-1),
        "saved_most": saved.max(axis=-1),
        "gained_mean": np.where(some, gained_mean, np.nan),
        "gained_most": np.where(some, gained_most, np.nan),
        "blocks_share": blocks_share(chip, base),
        "blocks_median": blocks_median(chip, base),
    }
