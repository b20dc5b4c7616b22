"""Commands of the documentation: every one runs. `rules.py` says how to add one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from studies.design_space.chip_choices import parse_hardware
from tests.command_words import replaced
from tests.docs import rules
from tests.docs.conftest import Call
from tests.docs.pages import PAGES, ROOT, page, parts, variants
from tests.warm_workers import local_cluster

PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(\.\.\.)?|<\w+>|\.\.\.")


class RuleError(AssertionError):
    """A command that no rule covers."""


def substituted(words: Sequence[str], page_name: str = "") -> list[str]:
    """`words` with values in place of placeholders.

    Raises:
        RuleError: A placeholder has no value.
    """
    result: list[str] = []
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
        result.append(value)
    return result


def runnable(command: str, page_name: str = "") -> Iterator[list[str]]:
    """Module or program of each part of `command`, followed by its arguments and limits.

    Raises:
        RuleError: No rule covers it.
    """
    if command.strip() in rules.LEFT_OUT:
        return
    for words in parts(command):
        if " ".join(words) in rules.LEFT_OUT:
            continue
        program = words[2:] if words[:2] == ["uv", "run"] else words
        if program[:2] == ["python", "-m"]:
            program = program[2:]
        elif program[:1] == ["python"]:
            program = program[1:]
        if not program or (program[0] not in rules.LIMITS and program[0] not in rules.PARSED_ONLY):
            raise RuleError(f"no rule for {' '.join(words)!r}: see tests/docs/rules.py")
        limits = rules.LIMITS.get(" ".join(program[:2]), rules.LIMITS.get(program[0], ()))
        yield [program[0], *replaced(substituted(program[1:], page_name), limits)]


def cases() -> list[Any]:
    """Each command once; slow ones carry the mark `slow`."""
    parameters, seen = [], set()
    for name in PAGES:
        for line, text in () if name in rules.IN_ORDER else page(name).commands():
            for command in variants(text):
                same = (command.split("#")[0].strip(), str(rules.OF_ANOTHER_FOLDER.get(name)))
                if same in seen:
                    continue
                seen.add(same)
                marks = [pytest.mark.slow] if any(slow in command for slow in rules.SLOW) else []
                title = f"{name}:{line}: {' '.join(command.split('#')[0].split())}"
                parameters.append(pytest.param(name, command, marks=marks, id=title))
    return parameters


@pytest.mark.parametrize(("name", "command"), cases())
def test_command_runs(
    name: str, command: str, folder: Path, call: Call, request: pytest.FixtureRequest
) -> None:
    for module, *arguments in runnable(command, name):
        if "--dask" in arguments:
            arguments[arguments.index("--dask") + 1] = request.getfixturevalue("dask_address")
        if module == "studies.run" and "--help" not in arguments:
            arguments = replaced(arguments, rules.OWN_DATABASE)
        if module in rules.PARSED_ONLY:
            request.getfixturevalue("parse_only")
        if "." in module:
            call(module, arguments)
        else:
            _run_program(module, tuple(arguments), folder if module == "torchrun" else ROOT)


def test_the_chips_that_tests_leave_out_are_those_of_the_page() -> None:
    assert len(parse_hardware(rules.SEARCHED_CHIPS.removeprefix("--search-hardware ")).chips) == 13
    (text,) = (
        text
        for name in PAGES
        for _, text in page(name).commands()
        if rules.SEARCHED_CHIPS in text.replace('"', "") and "studies.run" in text
    )
    assert text.startswith("python -m studies.run")
    assert "the choices above are 13 chips" in (ROOT / "docs/how-to/search-the-chip.md").read_text(
        encoding="utf-8"
    )


@cache
def _run_program(program: str, arguments: Sequence[str], where: Path) -> None:
    """Runs it, once for pages that say the same."""
    module = {"torchrun": "torch.distributed.run"}.get(program, program)
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
    """Scheduler address of a Dask cluster with one worker on this machine."""
    with local_cluster(1) as cluster:
        yield str(cluster.scheduler_address)
