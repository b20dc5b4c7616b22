"""Every command in the documentation runs. How to add one: see `rules.py`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.docs import rules
from tests.docs.conftest import Call
from tests.docs.pages import PAGES, ROOT, page, parts, variants

PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(\.\.\.)?|<\w+>|\.\.\.")


class RuleError(AssertionError):
    """A command that no rule covers."""


def substituted(words: Sequence[str], page_name: str = "") -> list[str]:
    """`words` with values for placeholders.

    Raises:
        RuleError: A placeholder has none.
    """
    found: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        value = rules.REPLACED.get(f"{before} {word}", "").removeprefix(f"{before} ") or word
        if word == "...":
            continue
        if PLACEHOLDER.fullmatch(word):
            known = rules.PLACEHOLDERS
            if (value := known.get(f"{before} {word}", known.get(word, ""))) == "":
                raise RuleError(
                    f"no value for {before} {word}: add one to PLACEHOLDERS in tests/docs/rules.py"
                )
            value = rules.OF_ANOTHER_FOLDER.get(page_name, {}).get(value, value)
        found.append(value)
    return found


def runnable(command: str, page_name: str = "") -> Iterator[list[str]]:
    """What `command` runs, part by part: module or program, then its arguments with limits.

    Raises:
        RuleError: No rule covers it.
    """
    if command.strip() in rules.LEFT_OUT:
        return
    for words in parts(command):
        if " ".join(words) in rules.LEFT_OUT:
            continue
        what = words[2:] if words[:2] == ["uv", "run"] else words
        if what[:2] == ["python", "-m"]:
            what = what[2:]
        elif what[:1] == ["python"]:
            what = what[1:]
        if not what or (what[0] not in rules.LIMITS and what[0] not in rules.PARSED_ONLY):
            raise RuleError(f"no rule for {' '.join(words)!r}: see tests/docs/rules.py")
        yield [what[0], *substituted(what[1:], page_name), *rules.LIMITS.get(what[0], ())]


def cases() -> list[Any]:
    """Each command once, with the marks of those that take long."""
    found, seen = [], set()
    for name in PAGES:
        for line, text in () if name in rules.IN_ORDER else page(name).commands():
            for command in variants(text):
                same = (command.split("#")[0].strip(), str(rules.OF_ANOTHER_FOLDER.get(name)))
                if same in seen:
                    continue
                seen.add(same)
                marks = [pytest.mark.slow] if any(slow in command for slow in rules.SLOW) else []
                title = f"{name}:{line}: {' '.join(command.split('#')[0].split())}"
                found.append(pytest.param(name, command, marks=marks, id=title))
    return found


@pytest.mark.parametrize(("name", "command"), cases())
def test_command_runs(
    name: str, command: str, folder: Path, call: Call, request: pytest.FixtureRequest
) -> None:
    for module, *arguments in runnable(command, name):
        if "--dask" in arguments:
            arguments[arguments.index("--dask") + 1] = request.getfixturevalue("dask_address")
        if module == "studies.run" and "--help" not in arguments:
            arguments += rules.OWN_DATABASE
        if module in rules.PARSED_ONLY:
            request.getfixturevalue("parse_only")
        if "." in module:
            call(module, arguments)
        else:
            _run_program(module, arguments, folder)


def _run_program(program: str, arguments: Sequence[str], folder: Path) -> None:
    module = {"torchrun": "torch.distributed.run"}.get(program, program)
    where = folder if program == "torchrun" else ROOT
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=where,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def dask_address() -> Iterator[str]:
    """Of a cluster of one worker on this machine."""
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield str(cluster.scheduler_address)
