"""Strict reading of YAML into dataclasses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from search_space.errors import DocumentError
from search_space.files.yaml_document import (
    Document,
    parse_document,
    read_document,
    read_laid_over,
    read_yaml,
)


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
        ({"inner": {"rate": 1, "extra": 1}}, "x: inner: unknown key 'extra'; the keys are rate, flag"),
        (
            {"inner": {"rate": 1}, "inne": 1},
            "top level: unknown key 'inne'; the keys are inner, many, table; did you mean 'inner'?",
        ),
        ({"inner": {}}, "x: inner.rate: this key is missing"),
        ({"inner": 3}, "x: inner: must be a mapping of keys to values, but got 3"),
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


def bomb(first: str, level: str) -> str:
    """Aliases that repeat nine parts of the level before, on seven levels: 9^7 parts in all."""
    levels = (
        f"a{depth}: &a{depth} {level.format(', '.join([f'*a{depth - 1}'] * 9))}\n" for depth in range(1, 8)
    )
    return f"a0: &a0 {first}\n{''.join(levels)}"


DAMAGED = {
    "deep": ("a: " + "[" * 20_000 + "]" * 20_000, "nested deeper than 50 levels"),
    "blocks": ("".join(f"{' ' * depth}a:\n" for depth in range(60)), "nested deeper than 50 levels"),
    "digits": ("name: " + "9" * 5_000, "holds a value that cannot be read \\(a number of too many digits\\)"),
    "aliases": (bomb("x", "[{}]"), "more than 100,000 keys and values, aliases included"),
    "merges": (bomb("{k: v}", "{{<<: [{}]}}"), "more than 100,000 keys and values, aliases included"),
    "large": ("#" * 1_000_001, "has 1,000,001 bytes"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_pathological_content_is_refused(tmp_path: Path, name: str) -> None:
    text, message = DAMAGED[name]
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError, match=message):
        read_yaml(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    fifo, loop = tmp_path / "fifo.yaml", tmp_path / "loop.yaml"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    with pytest.raises(DocumentError, match="is not a regular file"):
        read_yaml(fifo)
    with pytest.raises(DocumentError, match="Too many levels of symbolic links"):
        read_laid_over("space", str(loop), tmp_path)


def test_fifty_levels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text("[" * 49 + "1" + "]" * 49)
    assert str(read_yaml(path)) == path.read_text()
