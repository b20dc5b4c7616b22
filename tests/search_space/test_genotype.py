"""Genotypes: checks, text form, sampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.genotype import Gene, GenotypeError, checked, parse, sample, to_text

GENES = (Gene("a", (8, 16, 24)), Gene("b", ("x", "y")))


def test_check_turns_numpy_integers_into_python_integers() -> None:
    genotype = checked(np.array([2, 1]), GENES)
    assert genotype == (2, 1)
    assert all(type(value) is int for value in genotype)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0,), "has 2 genes, but got 1"),
        ((0, 0, 0), "has 2 genes, but got 3"),
        ((3, 0), r"gene a must be 0 to 2 \(options 8, 16, 24\), but got 3"),
        ((0, -1), "gene b must be 0 to 1"),
        ((0.0, 0), "gene a must be an integer"),
        ((True, 0), "gene a must be an integer"),
    ],
)
def test_check_names_what_is_wrong(values: tuple[int, ...], message: str) -> None:
    with pytest.raises(GenotypeError, match=message):
        checked(values, GENES)


@given(st.lists(st.integers(0, 9), min_size=1).map(tuple))
def test_text_round_trip(genotype: tuple[int, ...]) -> None:
    assert parse(to_text(genotype)) == genotype


@pytest.mark.parametrize("text", ["", "1,,2", "1,a", "1.5", "max "])
def test_parse_refuses_other_text(text: str) -> None:
    with pytest.raises(GenotypeError, match="integers joined by commas"):
        parse(text)


def test_sample_reaches_every_option_about_equally_often() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([sample(GENES, rng) for _ in range(6000)])
    for column, gene in enumerate(GENES):
        shares = np.bincount(draws[:, column], minlength=gene.cardinality) / len(draws)
        # Five standard deviations of a share.
        bound = 5 * np.sqrt(0.25 / len(draws))
        assert np.abs(shares - 1 / gene.cardinality).max() < bound
