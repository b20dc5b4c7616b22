from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.command.byte_count import UNITS, bytes_text, parse_bytes
from search_space.errors import H4HError


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GB", 4 * 10**9), ("512MiB", 2**29), ("1.5 kB", 1500), (" 7B ", 7), ("2TiB", 2**41)],
)
def test_numbers_with_units(text: str, count: int) -> None:
    assert parse_bytes(text, option="--memory") == count


@pytest.mark.parametrize("text", ["", "4", "GB", "-1GB", "0GB", "4gb", "4 XB", "1e3MB", "nanGB"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(H4HError, match="--memory must be a positive number and one of B, kB"):
        parse_bytes(text, option="--memory")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (4e9, "4 GB"), (12_345_678, "12.3 MB"), (999_600, "1 MB")],
)
def test_texts(count: float, text: str) -> None:
    assert bytes_text(count) == text


@given(count=st.integers(1, 10**14))
def test_a_text_is_read_back_to_three_digits(count: int) -> None:
    assert parse_bytes(bytes_text(count), option="x") == pytest.approx(count, rel=0.006)
    assert set(UNITS) >= {bytes_text(count).split()[1]}
