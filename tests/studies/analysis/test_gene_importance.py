"""Importance against closed forms: what decides all, what decides nothing, what chance alone would show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.analysis.gene_importance import BINS, importance, quantile_classes


def test_a_gene_that_decides_everything_and_one_that_decides_nothing() -> None:
    first, second = np.meshgrid(np.arange(4), np.arange(50), indexing="ij")
    genes = np.stack([first.ravel(), second.ravel() % 2], axis=1)
    shares = importance(genes, np.asarray(10.0 * first.ravel(), dtype=np.float64))
    # Four values, each of its own option: 1 but for the correction, (4 - 1)^2 excess cells fewer than none.
    assert shares == pytest.approx([1.0, 0.0], abs=1e-12)


def test_half_of_the_entropy() -> None:
    # Four equally frequent values; the gene tells which half, one bit of two.
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 1000)
    shares = importance((values >= 2).astype(np.int64)[:, None], values)
    assert shares == pytest.approx([0.5], abs=1e-9)


def test_independent_noise_is_near_zero() -> None:
    rng = np.random.default_rng(0)
    genes = rng.integers(0, 3, (400, 20))
    plain = importance(genes, rng.normal(size=400))
    # Uncorrected it would be (3 - 1) (8 - 1) / (2 * 400) nats of ln 8 on average: 0.0084.
    assert plain.mean() < 0.004


def test_inactive_is_an_option_of_its_own() -> None:
    genes = np.array([[-1], [0]] * 100)
    assert importance(genes, np.tile([1.0, 2.0], 100)) == pytest.approx([1.0])


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_nothing_to_say(values: list[float]) -> None:
    shares = importance(np.zeros((len(values), 3), dtype=np.int64), np.array(values))
    assert shares.tolist() == [0.0, 0.0, 0.0]


def test_classes_are_cut_at_quantiles() -> None:
    classes = quantile_classes(np.arange(80.0))
    assert np.bincount(classes).tolist() == [10] * BINS
    assert quantile_classes(np.array([1.0, 1.0, 1.0, 5.0])).tolist() == [0, 0, 0, 1]


@given(st.integers(0, 1000), st.integers(2, 60))
def test_shares_lie_between_0_and_1_and_names_of_options_do_not_matter(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    genes, values = rng.integers(0, 4, (count, 3)), rng.integers(0, 9, count).astype(np.float64)
    shares = importance(genes, values)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert importance(rng.permutation(4)[genes], values) == pytest.approx(shares, abs=1e-12)
    assert importance(genes, 3 * values - 7) == pytest.approx(shares, abs=1e-12)
