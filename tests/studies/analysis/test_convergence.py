from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from studies.analysis.contenders import BOX, Contender
from studies.analysis.convergence import moved_lately
from studies.analysis.iso_gains import iso_gains
from studies.study.evaluation import Evaluation
from studies.study.study import Study


@pytest.fixture
def run(study: Study, evaluation: Callable[..., Evaluation]) -> Callable[..., Contender]:
    def make(*values: tuple[float, float], images: str | None = None) -> Contender:
        parts = {} if images is None else {"val_images": images}
        rows = tuple(evaluation(index, *pair) for index, pair in enumerate(values))
        return Contender("run", replace(study, fingerprint=parts), rows)

    return make


LEVEL = [(50.0, 1.0), (60.0, 2.0), (40.0, 3.0)]
"""The last of these evaluations adds nothing to the front."""


def lines(first: Contender, second: Contender) -> Sequence[str]:
    return moved_lately([first], [second], BOX)


def test_a_gain_that_moved_in_the_last_quarter_is_named(run: Callable[..., Contender]) -> None:
    settled = run(*LEVEL, (41.0, 4.0))
    assert lines(settled, settled) == []
    late = run(*LEVEL, (70.0, 2.0))
    (line, other) = lines(settled, late)
    # At 1 ms both have 50, at 2 ms 70 against 60: 5 points on average.
    assert line.startswith(
        "not converged: the mean accuracy gained at equal latency is +5.00 points and was +0.00"
    )
    assert "latency saved at equal accuracy" in other


def test_small_movements_and_gains_that_do_not_exist_are_not(run: Callable[..., Contender]) -> None:
    settled = run(*LEVEL, (41.0, 4.0))
    assert lines(settled, run(*LEVEL, (60.2, 2.0))) == []
    assert lines(settled, run((95.0, 7.0))) == []


def test_images_of_the_study_give_the_noise(run: Callable[..., Contender]) -> None:
    exact = iso_gains([run(*LEVEL)], [run((55.0, 1.0), (65.0, 2.0))], BOX)["acc_at_equal_lat"]
    noisy = iso_gains([run(*LEVEL, images="400")], [run((55.0, 1.0), (65.0, 2.0), images="400")], BOX)
    assert exact is not None
    assert exact.mean_interval is None
    gain = noisy["acc_at_equal_lat"]
    assert gain is not None
    assert gain.mean == exact.mean == pytest.approx(5)
    assert gain.mean_interval is not None
    # The same genotypes and weights: one draw in both, so only the errors' difference is left.
    assert gain.mean_interval == pytest.approx((5, 5), abs=0.2)
