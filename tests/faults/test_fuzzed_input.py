"""Random input: names, options, YAML, headers and database rows give a result or one line, nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from objectives.hardware import load_soc
from search_space.errors import H4HError
from search_space.space import Space, load_space
from studies import show
from studies.launch.run_command_line import parse_options
from studies.storage.row_digest import Checksum, digest
from studies.storage.schema import COLUMNS
from studies.storage.store import create_store, open_store
from studies.study.setting_field import kinds, option_of
from studies.study.settings import StudySettings
from supernet.checkpoints.header import HEADER, check_trained_on_pack, stored_space
from tests.faults.test_damaged_database import STUDY, content
from tests.faults.test_power_cut import group

few = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.sampled_from(["[1e999]", "[NaN]", "[[1]]", "[" * 20_000, "1,-1", "9" * 5000, "[null]", "{}"]),
)


def one_line_or_result(call: Callable[[], Any]) -> Any:
    """The result, or None after an error of the project, whose message is one short line."""
    try:
        return call()
    except H4HError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert len(message) < 5000
    return None


@few
@given(st.text(min_size=1, max_size=30))
def test_names_of_studies_are_shown_as_they_are_or_refused(tmp_path: Path, name: str) -> None:
    if one_line_or_result(lambda: StudySettings(study=name)) is None:
        assert not name.strip() or not name.isprintable()
        return
    path = tmp_path / "studies.db"
    path.unlink(missing_ok=True)
    with create_store(path) as store:
        store.add(
            replace(STUDY, name=name, space="cifar32", space_definition=load_space("cifar32").to_dict())
        )
        assert store.study(name).name == name
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show.main(["--db", str(path), "--json"])
    assert json.loads(out.getvalue())["studies"][0]["study"] == name


NUMERIC = [
    option_of(item)
    for item in StudySettings.__dataclass_fields__.values()
    # The chip limits macros and units.
    if kinds(StudySettings)[item.name] in (int, float) and item.name not in ("macros", "units")
]
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "1e999", "-0", "0x10", "١", "1_000", "9" * 5000, "nan", "inf", "1e-400", "--", " 7 "]
    ),
)


@few
@given(st.sampled_from(NUMERIC), NUMBERS)
def test_numeric_options_are_within_their_limits_or_refused(option: str, text: str) -> None:
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        try:
            options = one_line_or_result(lambda: parse_options([f"{option}={text}"]))
        except SystemExit as end:
            code = end.code
        else:
            code = None
    if code is not None:
        assert code == 2
        assert len(error.getvalue().splitlines()) == 1
        return
    if options is not None:
        value = getattr(options.settings, option.removeprefix("--").replace("-", "_"))
        assert 0 <= value < 2**63
        assert (
            StudySettings(**{**options.settings.stored(), "study": "x"}).stored() == options.settings.stored()
        )


@few
@given(st.one_of(st.text(max_size=60), JSON.map(lambda value: yaml.safe_dump(value)), st.binary(max_size=60)))
@pytest.mark.parametrize("load", [load_space, load_soc])
def test_yaml_files_are_read_or_refused(
    tmp_path: Path, load: Callable[[str], Any], text: str | bytes
) -> None:
    path = tmp_path / "input.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    one_line_or_result(lambda: load(str(path)))


def paths(value: Any, base: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a document."""
    places = [base]
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            places += paths(inner, (*base, key))
    return places


@few
@given(st.data(), JSON)
def test_a_space_with_one_other_value_is_read_or_refused(
    tmp_path: Path, data: st.DataObject, value: Any
) -> None:
    document: Any = load_space("cifar32").to_dict()
    place = data.draw(st.sampled_from(paths(document)[1:]))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(document))
    space = one_line_or_result(lambda: load_space(str(path)))
    if space is not None:
        assert isinstance(space, Space)
        assert space.decode(space.smallest())


@few
@given(st.one_of(JSON.map(json.dumps), st.text(max_size=40)), st.booleans())
def test_headers_of_checkpoints_are_read_or_refused(tmp_path: Path, header: str, is_ours: bool) -> None:
    path = tmp_path / "checkpoint.safetensors"
    if is_ours:
        header = json.dumps({"format": "h4h-supernet-1", "space": header, "data": header})
    path.write_bytes(save({}, {HEADER: header}))
    one_line_or_result(lambda: stored_space(path))
    one_line_or_result(lambda: check_trained_on_pack(path))


@few
@given(st.binary(max_size=80))
def test_checkpoints_of_random_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(content)
    with pytest.raises(H4HError, match="checkpoint"):
        stored_space(path)


@few
@given(st.sampled_from(["study", "evaluation"]), st.data(), CELLS, st.booleans())
def test_cells_of_a_database_are_read_or_refused(
    tmp_path: Path, table: str, data: st.DataObject, value: object, has_digest: bool
) -> None:
    path = tmp_path / "studies.db"
    path.unlink(missing_ok=True)
    with create_store(path) as store:
        store.add(STUDY)
        store.append(STUDY.name, group(0))
    whole = content(path)
    column = data.draw(st.sampled_from(COLUMNS[table]))
    try:
        changed = rewrite(path, table, column, value, has_digest=has_digest)
    except (sqlite3.Error, UnicodeEncodeError):
        return  # SQLite itself refuses it.
    found = one_line_or_result(lambda: content(path))
    if found is not None and not has_digest:
        assert found == whole or not changed


def rewrite(path: Path, table: str, column: str, value: object, *, has_digest: bool) -> bool:
    """Changes a cell; with `has_digest` as a person would who computes the digest and the sum again.

    Returns:
        Whether the row differs as SQLite returns it.
    """
    columns = ", ".join(COLUMNS[table])
    key = "rowid" if table == "study" else "number"
    number = 1 if table == "study" else 0
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        before = connection.execute(f"SELECT {columns} FROM {table} WHERE {key} = ?", (number,)).fetchone()
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, number))
        rows: Sequence[Any] = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
        if has_digest:
            total = Checksum().with_rows([digest(row) for row in rows])
            for row in rows:
                connection.execute(
                    f"UPDATE {table} SET digest = ? WHERE {key} = ?",
                    (digest(row), row[0 if table == "study" else 1]),
                )
            connection.execute(
                "UPDATE checksum SET count = ?, total = ? WHERE of_table = ?",
                (total.count, total.total, table),
            )
        return before not in rows


def test_open_store_refuses_files_of_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    for content_ in (b"", b"SQLite format 3\x00", b"x" * 5000):
        path.write_bytes(content_)
        with pytest.raises(H4HError, match="database"):
            open_store(path)
