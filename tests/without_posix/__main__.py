"""Run of tests in which our packages miss what only POSIX systems have.

    python -m tests.without_posix                     # every folder, one after the other
    python -m tests.without_posix --chosen            # files that take two minutes together
    python -m tests.without_posix tests/studies/test_show.py

`startup/sitecustomize.py` says what is taken away.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
STARTUP = Path(__file__).parent / "startup"
HIDDEN = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME")
EXEMPT = (
    "tests/faults",  # Kill processes, or stop a disk.
    "tests/without_posix",  # Take away more, in processes of their own.
    "tests/studies/storage/test_study_lock.py",  # Locks of the system.
    "tests/studies/storage/test_database_lock.py",
    "tests/studies/test_stop_signals.py",
)
"""Folders and files that test what POSIX systems add."""
CHOSEN = (
    "tests/search_space/command",
    "tests/search_space/files",
    "tests/studies/storage/test_store.py",
    "tests/studies/storage/test_backup.py",
    "tests/studies/launch/test_progress_log.py",
    "tests/studies/test_show.py",
    "tests/studies/test_export.py",
    "tests/studies/test_merge.py",
)


def environment() -> Mapping[str, str]:
    """The environment of a test run without POSIX."""
    own = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    return own | {"PYTHONPATH": f"{STARTUP}{os.pathsep}{ROOT}"}


def files_by_folder() -> dict[str, list[str]]:
    """Files of tests that are not exempt."""
    files: dict[str, list[str]] = {}
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(EXEMPT):
            files.setdefault(str(path.parent), []).append(name)
    return files


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the files, and exits with 1 if tests of one fail."""
    parser = argparse.ArgumentParser(prog="python -m tests.without_posix", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help="files of tests (default: all)")
    parser.add_argument("--chosen", action="store_true", help="only files that take two minutes together")
    options = parser.parse_args(arguments)
    # The whole suite in one process would hold all of its memory to the end.
    given = [[name] for name in options.files] or [*files_by_folder().values()]
    runs = [[*CHOSEN]] if options.chosen else given
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow and not posix"]
    failed: list[str] = []
    for names in runs:
        print(f"== {' '.join(names)}", flush=True)
        # 5: the file holds slow tests only.
        if subprocess.run([*command, *names], cwd=ROOT, env=environment()).returncode not in (0, 5):
            failed += names
    if failed:
        raise SystemExit(f"tests fail without POSIX: {' '.join(failed)}")


if __name__ == "__main__":
    main()
