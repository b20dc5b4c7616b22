from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.storage.row_digest import Checksum, DigestError, Row, checked, digest, digests, plain_digests

CELLS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.text(), st.floats(allow_nan=False))
ROWS = st.lists(st.tuples(st.integers(0, 99), CELLS, CELLS), unique_by=lambda row: row[0], max_size=6)


def stored(rows: list[Row]) -> tuple[list[Row], Checksum]:
    """Rows with their digests, and the checksum over them."""
    digests = [digest(row) for row in rows]
    return [(*row, own) for row, own in zip(rows, digests, strict=True)], Checksum().with_rows(digests)


def check(rows: list[Row], expected: Checksum) -> list[Row]:
    return checked(rows, expected, label="rows", number=lambda row: row[0])


def test_a_digest_is_blake2b_of_the_row_as_ascii() -> None:
    expected = hashlib.blake2b(b"(3, 'caf\\xe9', None, 0.5)", digest_size=16).digest()
    assert digest((3, "café", None, 0.5)) == expected


def test_the_type_of_a_column_counts() -> None:
    assert len({digest((value,)) for value in (1, 1.0, "1", b"1", None)}) == 5


def test_a_sum_wraps_at_128_bits() -> None:
    most = b"\xff" * 16
    assert Checksum().with_rows([most, most]) == Checksum(2, (2**128 - 2).to_bytes(16, "big"))


@given(ROWS, st.randoms())
def test_rows_are_accepted_in_any_order_of_storing(rows: list[Row], random: object) -> None:
    _, expected = stored(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    total = Checksum()
    for row in shuffled:
        total = total.with_rows([digest(row)])
    assert total == expected
    assert check(stored(rows)[0], total) == rows


@given(ROWS.filter(bool), st.data())
def test_a_change_of_any_row_is_found(rows: list[Row], data: st.DataObject) -> None:
    kept, expected = stored(rows)
    place = data.draw(st.integers(0, len(rows) - 1))
    kind = data.draw(st.sampled_from(["change", "rewrite", "remove", "double"]))
    changed = (*rows[place][:-1], "something else")
    if kind == "change":
        kept[place] = (*changed, kept[place][-1])
    elif kind == "rewrite":  # With a digest that fits: only the sum is wrong.
        kept[place] = (*changed, digest(changed))
    elif kind == "remove":
        del kept[place]
    else:
        kept.append(kept[place])
    if rows[place] == changed and kind in ("change", "rewrite"):
        return
    with pytest.raises(DigestError, match="rows"):
        check(kept, expected)


NUMBERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
PLAIN = st.text(st.characters(codec="ascii", exclude_characters="'\\", exclude_categories=["Cc"]))


@given(st.lists(st.tuples(NUMBERS, PLAIN, NUMBERS, PLAIN), max_size=6))
def test_plain_rows_have_the_same_digests(rows: list[Row]) -> None:
    assert plain_digests(rows) == digests(rows)


@given(st.lists(st.tuples(NUMBERS, st.one_of(st.text(), st.text("'\"\\\n\x00é"))), max_size=6))
def test_other_rows_have_the_same_digests_or_none(rows: list[Row]) -> None:
    assert plain_digests(rows) in (digests(rows), None)


def test_rows_of_mixed_forms_are_accepted() -> None:
    rows: list[Row] = [(1, "a"), (2, None), (3, 4), ("b", "it's"), (b"c", 0.5)]
    assert check(*stored(rows)) == rows
