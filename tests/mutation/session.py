"""State of a mutation run, in a database of Cosmic Ray, so that a long run resumes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutation.mutant import Mutant


class Verdict(NamedTuple):
    """What the nearest tests say of a mutant."""

    is_killed: bool
    test: str
    """The test that kills it, `timeout` or `crash`; empty if none does."""
    tests_digest: str
    """Digest of the mutated file's nearest tests when they ran."""


class Session:
    """Verdicts by mutant.

    Args:
        path: Database, created if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = WorkDB(path, WorkDB.Mode.create)
        self._known = {item.job_id for item in self._database.work_items}
        self._results = dict(self._database.results)

    def close(self) -> None:
        self._database.close()

    def verdict(self, mutant: Mutant, tests_digest: str) -> Verdict | None:
        """The stored verdict. A survivor's is void once its tests have changed."""
        return self._verdict(mutant.key, tests_digest)

    def baseline(self, test: str, digest: str) -> float | None:
        """Seconds of CPU that a test file took on unchanged files of this digest."""
        verdict = self._verdict(f"baseline {test}", digest)
        return None if verdict is None else float(verdict.test)

    def store(self, mutant: Mutant, verdict: Verdict) -> None:
        self._store(
            mutant.key, mutant.file, mutant.definition, f"- {mutant.before}\n+ {mutant.after}", verdict
        )

    def store_baseline(self, test: str, cpu_seconds: float, digest: str) -> None:
        self._store(f"baseline {test}", test, "", "", Verdict(False, str(cpu_seconds), digest))

    def _verdict(self, key: str, tests_digest: str) -> Verdict | None:
        result = self._results.get(key)
        if result is None:
            return None
        digest, _, test = (result.output or "").partition("\n")
        verdict = Verdict(result.is_killed, test, digest)
        return verdict if verdict.is_killed or digest == tests_digest else None

    def _store(self, key: str, file: str, definition: str, diff: str, verdict: Verdict) -> None:
        if key not in self._known:
            name = "core/NoOp" if not diff else "mutant"
            spec = MutationSpec(Path(file), name, 0, (1, 0), (1, 1), definition_name=definition)
            self._database.add_work_item(WorkItem.single(key, spec))
            self._known.add(key)
        outcome = TestOutcome.KILLED if verdict.is_killed else TestOutcome.SURVIVED
        output = f"{verdict.tests_digest}\n{verdict.test}"
        result = WorkResult(WorkerOutcome.NORMAL, output, outcome, diff)
        self._database.set_result(key, result)
        self._results[key] = result


def digest_of(paths: Iterable[Path]) -> str:
    """Digest of the content of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.read_bytes())
    return total.hexdigest()[:16]
