"""Strict reading of YAML into dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from search_space.document import Document, parse_document
from search_space.errors import DocumentError


@dataclass(frozen=True)
class Inner(Document):
    rate: float
    flag: bool = False


@dataclass(frozen=True)
class Outer(Document):
    inner: Inner
    many: tuple[Inner, ...] = ()
    table: dict[str, Inner] | None = None


def test_integers_pass_for_floats_and_nothing_else_is_converted() -> None:
    document = parse_document(Outer, {"inner": {"rate": 2}}, source="x")
    assert document == Outer(Inner(2.0))
    assert type(document.inner.rate) is float


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"inner": {"rate": "2"}}, "x: inner.rate: invalid value '2' (expected float, got str)"),
        ({"inner": {"rate": True}}, "expected float, got bool"),
        ({"inner": {"rate": 1, "flag": 1}}, "expected bool, got int"),
        ({"inner": {"rate": 1, "extra": 1}}, "x: inner: unknown key 'extra'"),
        ({"inner": {}}, "x: inner.rate: this key is missing"),
        ({"inner": 3}, "x: inner: "),
        ({"inner": {"rate": 1}, "many": [{"rate": 1}, {"rat": 1}]}, "many"),
        ({}, "x: inner: this key is missing"),
        ([], "x: must be a mapping"),
        (None, "x: must be a mapping"),
    ],
)
def test_messages_name_the_place(data: object, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(Outer, data, source="x")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
