"""Runs of pytest in forks of a process that has imported the large libraries.

The imports take several times as long as most tests. Each fork works in a copy of the repository, so that
nobody else meets a mutated file.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

LIBRARIES = (
    *("pytest", "hypothesis", "_hypothesis_pytestplugin", "pytest_timeout", "xdist.plugin"),
    *("numpy", "scipy.stats", "torch", "torchvision", "pymoo.core.algorithm", "optuna", "rich.console"),
    *("yaml", "safetensors.torch", "mashumaro.codecs.basic", "moocore", "pandas", "distributed"),
)
"""What a fork need not import again."""

MEMORY = 8 * 2**30
"""Most bytes that a fork may allocate: a fault in a shape may ask for any number."""
OUTPUT = 3000
"""Characters of the end of pytest's output that are kept."""
NO_TESTS = 5
"""Exit code of pytest that found no test."""
POLL = 0.05


class Limits(NamedTuple):
    """Limits of one run."""

    cpu_seconds: int
    seconds: float


@dataclass(frozen=True)
class Task:
    """One run of tests with at most one mutated file."""

    name: str
    file: str
    text: str | None
    """Content of the mutated file; None leaves it as it is."""
    tests: tuple[str, ...]
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """How the tests ended."""

    exit_code: int | None
    """Exit code of pytest, None if a limit or a crash ended it."""
    cpu_seconds: float
    seconds: float
    output: str
    """End of what pytest printed."""


@dataclass
class _Place:
    """A copy of the repository in which one fork runs at a time."""

    folder: Path
    changes: int = 0
    task: Task | None = None
    process: int = 0
    started: float = 0.0
    original: str = field(default="", repr=False)

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    def write(self, file: str, text: str) -> None:
        """Writes a source file with a time that no compiled module of it has."""
        path = self.folder / file
        path.write_text(text, encoding="utf-8")
        self.changes += 1
        os.utime(path, (self.changes, self.changes))


def import_libraries() -> None:
    """Imports what forks share, with one thread each, since they run side by side."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in LIBRARIES:
        importlib.import_module(name)


@contextmanager
def repository_copies(root: Path, count: int) -> Iterator[list[Path]]:
    """Copies of the files that Git tracks or would track, removed at the end."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if (root / name).is_file()]
    with ExitStack() as stack:
        parent = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mutation-")))
        folders = [parent / f"copy{number}" for number in range(count)]
        for folder in folders:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        yield folders


def run_tasks(tasks: Iterable[Task], folders: list[Path]) -> Iterator[tuple[Task, Outcome]]:
    """Runs tasks side by side, one in each folder, and yields them as they end.

    The next task is taken from `tasks` when a folder is free, so a generator may decide late.
    """
    waiting = iter(tasks)
    places = [_Place(folder) for folder in folders]
    try:
        while True:
            for place in places:
                if place.task is None and (task := next(waiting, None)) is not None:
                    _start(place, task)
            if all(place.task is None for place in places):
                return
            time.sleep(POLL)
            for place in places:
                if place.task is not None and (outcome := _ended(place)) is not None:
                    task, place.task = place.task, None
                    yield task, outcome
    finally:
        for place in places:
            if place.task is not None:
                _kill(place)


def _start(place: _Place, task: Task) -> None:
    if task.text is not None:
        place.original = (place.folder / task.file).read_text(encoding="utf-8")
        place.write(task.file, task.text)
    place.task, place.started = task, time.monotonic()
    sys.stdout.flush()
    place.process = os.fork()
    if not place.process:
        _run_in_fork(place, task)


def _run_in_fork(place: _Place, task: Task) -> None:
    """Runs pytest and ends the process; never returns."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # The parent's streams may be files of a pytest that runs it.
        sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
        resource.setrlimit(resource.RLIMIT_CPU, (task.limits.cpu_seconds, task.limits.cpu_seconds + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        root = Path(__file__).parents[2]
        _forget(root)
        sys.path[:] = [str(place.folder), *(path for path in sys.path if Path(path).absolute() != root)]
        os.chdir(place.folder)
        os.environ["PYTHONPATH"] = str(place.folder)
        code = _pytest(task.tests, place.folder.with_name(f"{place.folder.name}-files"))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _pytest(tests: tuple[str, ...], files: Path) -> int:
    import pytest
    from hypothesis import Phase, settings

    # The same examples in each run, and no search for the smallest one that fails.
    settings.register_profile(
        "mutation",
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        report_multiple_bugs=False,
    )
    # `conftest.py` loads a profile of its own; the option wins, since it is read after that.
    options = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", f"--basetemp={files}"]
    return int(pytest.main([*options, "--hypothesis-profile=mutation", "--tb=line", *tests]))


def _forget(root: Path) -> None:
    """Drops modules of this repository, so that they are imported from the copy."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).is_relative_to(root) and "site-packages" not in file:
            del sys.modules[name]
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]


def _ended(place: _Place) -> Outcome | None:
    """The outcome of a fork that has ended or reached a limit, None while it runs."""
    assert place.task is not None
    process, status, usage = os.wait4(place.process, os.WNOHANG)
    seconds = time.monotonic() - place.started
    if not process and seconds < place.task.limits.seconds:
        return None
    if not process:
        _kill(place)
        code = None
        cpu_seconds = float(place.task.limits.cpu_seconds)
    else:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        cpu_seconds = usage.ru_utime + usage.ru_stime
    with suppress(ProcessLookupError):  # Processes that the tests have left behind.
        os.killpg(place.process, signal.SIGKILL)
    if place.task.text is not None:
        place.write(place.task.file, place.original)
    output = place.log.read_text(encoding="utf-8", errors="replace")[-OUTPUT:]
    return Outcome(code, cpu_seconds, seconds, output)


def _kill(place: _Place) -> None:
    with suppress(ProcessLookupError):
        os.killpg(place.process, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(place.process, 0)
