"""Limits that are shares of the largest network."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.errors import H4HError
from studies.study.constraint import (
    Constraint,
    ConstraintError,
    is_share,
    limited_quantity,
    parse_any_constraint,
    parse_constraint,
)

LARGEST = {"macs": 101.0, "params": 100.0, "lat": 3.0, "sram": 7.0, "vit_blocks": 3.0, "energy": 0.7}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("macs<=60%", Constraint("macs", "<=", 60.0, "")),  # 60.6, rounded to the last that holds
        ("macs>=60%", Constraint("macs", ">=", 61.0, "")),
        ("params <= 0.29 x", Constraint("params", "<=", 29.0, "")),  # 0.29 * 100 is below 29 in binary
        ("lat<=0.5x", Constraint("lat", "<=", 1.5, "ms")),
        ("energy<=1x", Constraint("energy", "<=", 0.7, "mJ")),
        ("sram<=50%", Constraint("sram", "<=", 3.0, "B")),
        ("vit_blocks>=1e2%", Constraint("vit_blocks", ">=", 3.0, "")),
        ("lat<=150%", Constraint("lat", "<=", 4.5, "ms")),
        ("lat<=0x", Constraint("lat", "<=", 0.0, "ms")),
    ],
)
def test_a_share_becomes_a_number(text: str, expected: Constraint) -> None:
    limit = parse_constraint(text, largest=LARGEST.__getitem__)
    assert limit == expected
    assert parse_constraint(str(limit)) == limit
    assert is_share(text)
    assert not is_share(str(limit))
    assert limited_quantity(text) == limit.quantity


@given(hundredths=st.integers(0, 10**6), largest=st.floats(1e-6, 1e12))
def test_percent_and_factor_are_the_same_limit(hundredths: int, largest: float) -> None:
    factor = Decimal(hundredths) / 10_000
    for quantity in ("lat", "macs"):
        percent = parse_constraint(f"{quantity}<={factor * 100}%", largest=lambda _: largest)
        assert parse_constraint(f"{quantity}<={factor}x", largest=lambda _: largest) == percent


def test_the_whole_largest_network_is_exact() -> None:
    assert parse_constraint("lat<=100%", largest=lambda _: 0.1 + 0.2).bound == 0.1 + 0.2


def test_percent_of_a_percentage_is_absolute() -> None:
    own = {"sparsity": "%", "speedup": "x"}
    for text in ("acc>=80%", "sparsity<=60%", "speedup>=2x"):
        assert not is_share(text, own)
        limit = parse_constraint(text, own, largest=LARGEST.__getitem__)
        assert str(limit) == text
    assert is_share("speedup>=50%", own)
    assert is_share("acc>=0.5x")
    assert not is_share("family=cnn")
    assert not is_share("sram<=chip")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lat<=-1%", "must not be negative"),
        ("lat<=1e999x", "1e999 is not a finite number"),
        ("macs<=1e308x", "the limit is not a finite number"),
        ("lats<=0.5x", "unknown quantity 'lats'"),
        ("lat<=50%@30fps", "only power may be limited at a frame rate"),
        ("lat<=0.5y", "unit of lat must be"),
    ],
)
def test_wrong_shares_are_refused(text: str, message: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_constraint(text, largest=LARGEST.__getitem__)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_tiny_share_is_none() -> None:
    assert parse_constraint("lat<=1e-99999999999999999999x", largest=LARGEST.__getitem__).bound == 0


@pytest.mark.parametrize("parse", [parse_constraint, parse_any_constraint])
def test_a_share_without_a_space_is_refused(parse: type) -> None:
    with pytest.raises(ConstraintError, match=r"only studies\.run takes a share"):
        parse("macs<=60%")
