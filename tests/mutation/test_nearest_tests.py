"""The committed lists: every file of the named parts has tests, and every listed mutant is well-formed."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.mutant import Mutant
from tests.mutation.mutant_lists import (
    KILLED,
    equivalent_mutants,
    file_of,
    killed_mutants,
    nearest_tests,
    write_killed,
)

ROOT = Path(__file__).parents[2]
FOLDERS = (
    *("objectives/hardware", "objectives/population", "objectives/tabled", "studies/storage"),
    *("studies/samplers", "studies/search", "supernet/training", "supernet/accuracy"),
)
"""Folders whose files are all mutated, and the files of `search_space/` itself."""
NOT_MUTATED = ("objectives/hardware/vela_compiler/", "search_space/arrays.py")
"""Code that calls Arm's compiler, which takes minutes, and names of types."""


def test_every_file_of_the_named_parts_is_mutated() -> None:
    paths = [
        *(ROOT / "search_space").glob("*.py"),
        *(p for name in FOLDERS for p in (ROOT / name).rglob("*.py")),
    ]
    files = {str(path.relative_to(ROOT)) for path in paths if path.name != "__init__.py"}
    expected = {file for file in files if not file.startswith(NOT_MUTATED)}
    assert len(expected) > 150
    assert expected - set(nearest_tests()) == set()


def test_named_files_and_tests_exist() -> None:
    nearest = nearest_tests()
    named = {path for file, tests in nearest.items() for path in (file, *map(file_of, tests.tests))}
    assert {path for path in named if not (ROOT / path).is_file()} == set()
    assert all(tests.tests for tests in nearest.values())


def test_listed_mutants_are_of_named_files() -> None:
    listed = [*killed_mutants(), *equivalent_mutants()]
    assert len(listed) == len(set(listed)) >= 7
    assert {mutant.file for mutant in listed} <= set(nearest_tests())
    assert all(mutant.before != mutant.after for mutant in listed)
    assert all(test.startswith("tests/") and "::" in test for test in killed_mutants().values())
    assert all(len(reason.split()) >= 4 for reason in equivalent_mutants().values())
    assert not set(killed_mutants()) & set(equivalent_mutants())


def test_list_is_written_as_it_is_read(tmp_path: Path) -> None:
    killed = {Mutant("b.py", "f", "x += 1", "pass", 2): "tests/test_b.py::test_f", **killed_mutants()}
    write_killed(killed, tmp_path / "killed.yaml")
    assert killed_mutants(tmp_path / "killed.yaml") == killed
    write_killed(killed_mutants(), tmp_path / "again.yaml")
    assert (tmp_path / "again.yaml").read_text() == KILLED.read_text()
