from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.analysis.resampled_gains import CurveWindow, MeasuredCurve, group_gains
from studies.analysis.tradeoff import Tradeoff
from studies.study.accuracy_errors import SHARED_LUCK

EVERYTHING = CurveWindow()


def curve(accuracies: list[float], errors: float, weights: str = "w") -> MeasuredCurve:
    """A front at costs 1, 2, ...; its networks are numbered, so those of two curves are the same."""
    count = len(accuracies)
    return MeasuredCurve(
        Tradeoff(np.arange(1.0, count + 1), np.array(accuracies)),
        np.full(count, errors),
        tuple((weights, "images", (place,)) for place in range(count)),
    )


def test_without_noise_and_with_one_run_there_is_no_interval() -> None:
    gained, _ = group_gains([curve([50, 60], 0)], [curve([55, 65], 0)], EVERYTHING)
    assert gained is not None
    assert (gained.mean, gained.max) == pytest.approx((5, 5))
    assert (gained.mean_interval, gained.max_interval) == (None, None)


def test_networks_of_both_studies_have_the_same_luck() -> None:
    gained, _ = group_gains([curve([50, 60], 1)], [curve([55, 65], 1)], EVERYTHING)
    assert gained is not None
    assert gained.mean_interval == pytest.approx((5, 5)), "the same networks, so the same draws"
    gained, _ = group_gains([curve([50, 60], 1)], [curve([55, 65], 1, "other")], EVERYTHING)
    assert gained is not None
    assert gained.mean_interval is not None
    low, high = gained.mean_interval
    # The mean of a line is that of its ends: four draws of weight 1/2. What the images share cancels.
    half = 1.96 * (1 - SHARED_LUCK) ** 0.5
    assert (low, high) == pytest.approx((5 - half, 5 + half), abs=0.3)
    elsewhere = replace(curve([55, 65], 1), networks=(("w", "others", (0,)), ("w", "others", (1,))))
    gained, _ = group_gains([curve([50, 60], 1)], [elsewhere], EVERYTHING)
    assert gained is not None
    assert gained.mean_interval is not None
    # Other images share nothing: 2 common draws of weight 1 and four of their own.
    half = 1.96 * (2 * SHARED_LUCK + (1 - SHARED_LUCK)) ** 0.5
    assert gained.mean_interval == pytest.approx((5 - half, 5 + half), abs=0.4)


def test_seeds_are_drawn_together_where_runs_are_paired() -> None:
    first = [curve([50 + 10 * seed, 60 + 10 * seed], 0) for seed in range(3)]
    second = [curve([51 + 10 * seed, 61 + 10 * seed], 0) for seed in range(3)]
    paired, _ = group_gains(first, second, EVERYTHING)
    assert paired is not None
    assert paired.mean == pytest.approx(1)
    assert paired.mean_interval == pytest.approx((1, 1))
    others, _ = group_gains(first, second, EVERYTHING, is_paired=False)
    assert others is not None
    assert others.mean == pytest.approx(1)
    assert others.mean_interval is not None
    assert others.mean_interval[0] < -5 < 7 < others.mean_interval[1]


def test_a_member_that_falls_behind_leaves_the_front() -> None:
    noisy = curve([50, 51, 60], 2)
    moved = noisy.redrawn(dict(zip(noisy.networks, (1, -1, 0), strict=True)))
    assert moved.cost.tolist() == [1, 3]
    assert moved.quality.tolist() == [52, 60]


def test_a_window_limits_the_gains_and_their_resamples() -> None:
    window = CurveWindow(qualities=(52, 56))
    _, saved = group_gains([curve([50, 60], 1)], [curve([50, 60], 1, "other")], window)
    assert saved is not None
    assert saved.range == (52, 56)
    assert saved.mean == 0
    assert group_gains([curve([50, 60], 1)], [curve([70, 80], 1)], window) == (None, None)
