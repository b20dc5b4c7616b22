"""Strict reading of YAML into dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from search_space.errors import DocumentError
from search_space.files.yaml_document import Document, parse_document, read_document


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


def test_a_key_that_stands_twice_is_an_error_and_not_the_last_value(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("inner:\n  rate: 1\n  rate: 2\n")
    with pytest.raises(DocumentError, match=r"duplicate key 'rate' .*line 3"):
        read_document(Outer, path)


def test_anchors_and_merges_are_plain_yaml(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text("inner: &one {rate: 1}\nmany:\n  - {<<: *one, rate: 2}\n")
    assert read_document(Outer, path) == Outer(Inner(1.0), (Inner(2.0),))
