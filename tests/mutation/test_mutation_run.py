"""A run over a tiny project: what is killed, what survives, what is stopped, what a second run repeats."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.mutation.forked_tests import Limits, Task, repository_copies, run_tasks
from tests.mutation.mutant import Mutant
from tests.mutation.mutant_lists import NearestTests
from tests.mutation.mutation_run import (
    BrokenTestsError,
    Run,
    Snapshot,
    check_baselines,
    draw,
    judge,
    judge_listed,
)
from tests.mutation.session import Session, Verdict
from tests.mutation.table import description, table

CODE = """\
def total(values):
    result = 0
    for value in values:
        result += value
    return result


def halves(value):
    count = 0
    while value > 1:
        value //= 2
        count += 1
    return count
"""
TESTS = """\
from code_under_test import halves, total


def test_total():
    assert total([1, 2]) == 3


def test_halves():
    assert halves(8) == 3
"""
NEAREST = {"code_under_test.py": NearestTests("all code", ("test_code.py",))}
SUM = Mutant("code_under_test.py", "total", "result += value", "pass")
LOOP = Mutant("code_under_test.py", "halves", "value //= 2", "pass")
SURVIVOR = Mutant("code_under_test.py", "total", "result = 0", "result = False")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    root = tmp_path / "project"
    root.mkdir()
    (root / "code_under_test.py").write_text(CODE)
    (root / "test_code.py").write_text(TESTS)
    (root / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    with closing(Session(tmp_path / "state.sqlite")) as session, repository_copies(root, 1) as folders:
        yield Run(Snapshot.of(root, NEAREST), folders, session, NEAREST, is_baseline_known=False)


def test_verdicts_are_stored_and_a_survivor_is_judged_by_new_tests(run: Run, tmp_path: Path) -> None:
    check_baselines(run, [SUM])
    verdicts = dict(judge(run, [SUM, SURVIVOR]))
    assert verdicts[SUM][:2] == (True, "test_code.py::test_total")
    assert verdicts[SURVIVOR][:2] == (False, "")
    # The copy is whole again, and the project was never touched.
    for folder in (run.folders[0], tmp_path / "project"):
        assert (folder / "code_under_test.py").read_text() == CODE
    with closing(Session(tmp_path / "state.sqlite")) as again:
        digest = run.tests_digest(SUM.file)
        assert {mutant: again.verdict(mutant, digest) for mutant in verdicts} == verdicts
        assert again.baseline("test_code.py", run.snapshot.baselines["test_code.py"]) is not None
        # Other tests: what they do not kill is open, what was killed stays so.
        assert again.verdict(SURVIVOR, "other") is None
        assert again.verdict(SUM, "other") == verdicts[SUM]
        assert again.baseline("test_code.py", "other") is None


def test_endless_loop_is_killed_by_its_limit(run: Run) -> None:
    text = LOOP.apply(CODE)
    task = Task("loop", LOOP.file, text, ("test_code.py",), Limits(cpu_seconds=20, seconds=1.5))
    ((_, outcome),) = run_tasks([task], run.folders)
    assert outcome.exit_code is None


def test_listed_mutants_are_tried_with_their_test_first(run: Run) -> None:
    listed = {
        SUM: "test_code.py::test_total",
        SURVIVOR: "test_code.py::test_total",
        # This test is gone: the nearest ones kill it.
        Mutant("code_under_test.py", "halves", "count += 1", "pass"): "test_code.py::test_removed",
    }
    verdicts = dict(judge_listed(run, listed))
    assert [verdicts[mutant].is_killed for mutant in listed] == [True, False, True]


def test_tests_that_fail_on_unchanged_files_are_refused(run: Run) -> None:
    (run.folders[0] / "test_code.py").write_text("def test_total():\n    assert False\n")
    with pytest.raises(
        BrokenTestsError, match=r"test_code.py must pass on unchanged files, but ended with 1"
    ):
        check_baselines(run, [SUM])


def test_no_tests_start_after_the_end(run: Run) -> None:
    run.end = 0.0
    assert list(judge(run, [SUM])) == []


def test_draw_follows_the_seed(run: Run) -> None:
    first, again, other = (list(draw(run, ["code_under_test.py"], 6, seed)) for seed in ("1", "1", "2"))
    assert first == again
    assert len(set(first)) == 6
    assert set(first) != set(other)
    assert all(mutant.apply(CODE) not in (CODE, None) for mutant in first)


def test_table_counts_the_share_of_what_can_be_killed() -> None:
    verdicts = {
        SUM: Verdict(True, "test_code.py::test_total", ""),
        LOOP: Verdict(False, "", ""),
        SURVIVOR: Verdict(False, "", ""),
    }
    lines = table(verdicts, NEAREST, {SURVIVOR: "False counts as 0"}).splitlines()
    assert lines[2:] == ["| all code | 3 | 1 | 1 | 1 | 50.0 % |", "| all | 3 | 1 | 1 | 1 | 50.0 % |"]
    assert description(LOOP) == "code_under_test.py, halves\n    - value //= 2\n    + pass"
