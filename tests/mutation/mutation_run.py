"""A mutation run: which mutants, in which order, and what the tests say of each."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.forked_tests import NO_TESTS, Limits, Outcome, Task, run_tasks
from tests.mutation.mutant import Mutant, Position, mutant_at, positions
from tests.mutation.mutant_lists import NearestTests, file_of
from tests.mutation.session import Session, Verdict, digest_of

FIRST_LIMITS = Limits(cpu_seconds=60, seconds=600)
"""Limits of tests that were never timed."""
ATTEMPTS = 20
"""Draws for one mutant; a draw that changes nothing that runs is repeated."""


class BrokenTestsError(Exception):
    """Tests that fail on the unchanged file."""


@dataclass(frozen=True)
class Snapshot:
    """Mutated files and digests of their tests at the start of a run; both may change while it goes on."""

    sources: dict[str, str]
    digests: dict[str, str]
    baselines: dict[str, str]
    """Digest of each test file together with all mutated files."""

    @classmethod
    def of(cls, root: Path, nearest: dict[str, NearestTests]) -> Snapshot:
        sources = {file: (root / file).read_text(encoding="utf-8") for file in nearest}
        digests = {
            file: digest_of(root / file_of(test) for test in each.tests) for file, each in nearest.items()
        }
        paths = [root / file for file in nearest]
        tests = dict.fromkeys(test for each in nearest.values() for test in each.tests)
        return cls(sources, digests, {test: digest_of([root / file_of(test), *paths]) for test in tests})


@dataclass
class Run:
    """What the steps of one run share."""

    snapshot: Snapshot
    folders: list[Path]
    session: Session
    nearest: dict[str, NearestTests]
    is_baseline_known: bool
    """Whether the tests have just passed on the unchanged files."""
    end: float = math.inf
    """Time by `time.monotonic` after which no further tests start."""

    def source(self, file: str) -> str:
        return self.snapshot.sources[file]

    def tests_digest(self, file: str) -> str:
        return self.snapshot.digests[file]

    def has_time(self) -> bool:
        return time.monotonic() < self.end


def draw(run: Run, files: list[str], count: int, seed: str) -> Iterator[Mutant]:
    """Up to `count` different mutants: a file by its length, then a place in it, both at random.

    The same seed gives the same mutants as long as the files stay as they are.
    """
    generator = random.Random(seed)
    lengths = [run.source(file).count("\n") for file in files]
    places: dict[str, list[Position]] = {}
    drawn: set[Mutant] = set()
    for _ in range(count * ATTEMPTS):
        if len(drawn) == count:
            return
        file = generator.choices(files, lengths)[0]
        if file not in places:
            places[file] = positions(file, run.source(file))
        if not places[file]:
            continue
        mutant = mutant_at(generator.choice(places[file]), run.source(file))
        if mutant is not None and mutant not in drawn:
            drawn.add(mutant)
            yield mutant


def check_baselines(run: Run, mutants: list[Mutant]) -> None:
    """Runs the nearest tests of the mutants' files on unchanged files, and stores the time of each.

    Raises:
        BrokenTestsError: Tests fail on unchanged files.
    """
    tests = dict.fromkeys(test for mutant in mutants for test in run.nearest[mutant.file].tests)
    untimed = [test for test in tests if run.session.baseline(test, run.snapshot.baselines[test]) is None]
    tasks = (Task(test, test, None, (test,), FIRST_LIMITS) for test in untimed)
    for task, outcome in run_tasks(tasks, run.folders):
        if outcome.exit_code not in (0, NO_TESTS):  # All tests of a file may be slow.
            raise BrokenTestsError(
                f"{task.name} must pass on unchanged files, but ended with {outcome.exit_code}: mend it, "
                f"or name another test in tests/mutation/nearest_tests.yaml\n{outcome.output}"
            )
        run.session.store_baseline(task.name, outcome.cpu_seconds, run.snapshot.baselines[task.name])
        print(f"unchanged, {task.name}: {outcome.cpu_seconds:.1f} s", flush=True)


def judge(run: Run, mutants: Iterable[Mutant]) -> Iterator[tuple[Mutant, Verdict]]:
    """Verdicts as they come. Takes mutants as needed, and stops when the time is over."""
    running: dict[str, Mutant] = {}
    stored: list[tuple[Mutant, Verdict]] = []

    def tasks() -> Iterator[Task]:
        for mutant in mutants:
            verdict = run.session.verdict(mutant, run.tests_digest(mutant.file))
            if verdict is not None:
                stored.append((mutant, verdict))
            elif run.has_time():
                running[mutant.key] = mutant
                yield _task(run, mutant, run.nearest[mutant.file].tests)
            else:
                return

    for task, outcome in run_tasks(tasks(), run.folders):
        mutant = running.pop(task.name)
        verdict = Verdict(outcome.exit_code != 0, killer(outcome), run.tests_digest(mutant.file))
        run.session.store(mutant, verdict)
        yield from stored
        stored.clear()
        yield mutant, verdict
    yield from stored


def judge_listed(run: Run, mutants: dict[Mutant, str]) -> Iterator[tuple[Mutant, Verdict]]:
    """Verdicts of mutants that a named test killed: by that test, or by the nearest ones if it does not."""
    by_name = {mutant.key: mutant for mutant in mutants}
    again: list[Mutant] = []

    def tasks() -> Iterator[Task]:
        for mutant, test in mutants.items():
            if not run.has_time():
                return
            yield _task(run, mutant, (test,) if "::" in test else run.nearest[mutant.file].tests)

    for done, outcome in run_tasks(tasks(), run.folders):
        mutant = by_name[done.name]
        if "::" in mutants[mutant] and outcome.exit_code in (0, 4, NO_TESTS):
            again.append(mutant)
        else:
            yield mutant, Verdict(outcome.exit_code != 0, killer(outcome), "")
    repeated = (_task(run, mutant, run.nearest[mutant.file].tests) for mutant in again)
    for done, outcome in run_tasks(repeated, run.folders):
        yield by_name[done.name], Verdict(outcome.exit_code != 0, killer(outcome), "")


def _task(run: Run, mutant: Mutant, tests: tuple[str, ...]) -> Task:
    text = mutant.apply(run.source(mutant.file))
    assert text is not None, mutant
    return Task(mutant.key, mutant.file, text, tests, _limits(run, mutant.file))


def killer(outcome: Outcome) -> str:
    """The test that failed, without its parameters."""
    if outcome.exit_code is None:
        return "limit or crash"
    found = re.search(r"^(?:FAILED|ERROR) (\S+?\.py(?:::[\w:]+)?)", outcome.output, re.MULTILINE)
    if found is not None:
        return found[1]
    return "" if outcome.exit_code == 0 else "collection"


def _limits(run: Run, file: str) -> Limits:
    """Three times what the tests take on unchanged files, and time to start."""
    baselines = [run.session.baseline(test, run.snapshot.baselines[test]) for test in run.nearest[file].tests]
    timed = [baseline for baseline in baselines if baseline is not None]
    if len(timed) < len(baselines):
        return FIRST_LIMITS
    cpu_seconds = int(20 + 3 * sum(timed))
    return Limits(cpu_seconds, 8.0 * cpu_seconds)
