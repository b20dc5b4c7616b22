"""Committed lists: mutated files with their nearest tests, killed mutants, and equivalent mutants."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.mutation.mutant import Mutant

FOLDER = Path(__file__).parent
NEAREST = FOLDER / "nearest_tests.yaml"
KILLED = FOLDER / "killed.yaml"
EQUIVALENT = FOLDER / "equivalent.yaml"

KILLED_TOP = """\
# Mutants that a test kills, with that test. `python -m tests.mutation --listed` checks them.
# `python -m tests.mutation --sample N --add-killed` adds those that it kills.
"""


@dataclass(frozen=True)
class NearestTests:
    """A file to mutate."""

    group: str
    """Part of the project, such as "cost model"."""
    tests: tuple[str, ...]
    """Test files, or single tests `FILE::TEST`, that run in seconds and use the file most directly."""


def nearest_tests(path: Path = NEAREST) -> dict[str, NearestTests]:
    """Every file that is mutated."""
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        file: NearestTests(group, tuple(tests))
        for group, files in groups.items()
        for file, tests in files.items()
    }


def file_of(test: str) -> str:
    """The file of a test that may be named `FILE::TEST`."""
    return test.partition("::")[0]


def killed_mutants(path: Path = KILLED) -> dict[Mutant, str]:
    """Killed mutants, and the test that kills each."""
    return {_mutant(row): row["test"] for row in _rows(path)}


def equivalent_mutants(path: Path = EQUIVALENT) -> dict[Mutant, str]:
    """Mutants that no test can kill, and the reason for each."""
    return {_mutant(row): row["reason"] for row in _rows(path)}


def write_killed(mutants: dict[Mutant, str], path: Path = KILLED) -> None:
    """Replaces the list of killed mutants, sorted by file."""

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["file"], row["definition"], row["before"], row["after"], row.get("occurrence", 0)

    rows = sorted(({**_row(mutant), "test": test} for mutant, test in mutants.items()), key=order)
    text = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=1000)
    temporary = path.with_suffix(".new")
    temporary.write_text(KILLED_TOP + text, encoding="utf-8")
    temporary.replace(path)


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or []


def _mutant(row: dict[str, Any]) -> Mutant:
    return Mutant(row["file"], row["definition"], row["before"], row["after"], row.get("occurrence", 0))


def _row(mutant: Mutant) -> dict[str, Any]:
    row = asdict(mutant)
    if not mutant.occurrence:
        del row["occurrence"]
    return row
