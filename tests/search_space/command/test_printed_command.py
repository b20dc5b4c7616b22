"""Commands that messages print."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from search_space.command.printed_command import command_text, local, local_command


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a program `python`, which is the one on the search path of a shell."""
    program = tmp_path / "bin" / "python"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_the_interpreter_is_named_as_a_shell_finds_it(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = command_text("studies.show", ["--study", "a b"])
    assert text == "python -m studies.show --study 'a b'"
    assert local(text) == f"{sys.executable} -m studies.show --study 'a b'"
    monkeypatch.setattr(sys, "executable", str(found.with_name("python3.11")))
    assert local(text) == text
    # `uv run` puts its environment on the path of this process alone.
    monkeypatch.setenv("UV", "/usr/bin/uv")
    monkeypatch.setattr(sys, "executable", "/my project/.venv/bin/python")
    assert local(text).startswith("'/my project/.venv/bin/python' -m studies.show")


def test_own_code_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, elsewhere = tmp_path / "my code", tmp_path / "elsewhere"
    for folder in (own, elsewhere, own / "more"):
        folder.mkdir()
    (own / "mine.py").write_text("import sys, other\nprint(other.VALUE, *sys.argv[1:])\n")
    (own / "more" / "other.py").write_text("VALUE = 3\n")
    monkeypatch.chdir(own)
    monkeypatch.setenv("PYTHONPATH", "more")
    command = local_command("mine", ["x y"], own_code=True)
    assert shlex.split(command)[0] == f"PYTHONPATH={own}{os.pathsep}{own / 'more'}"
    ended = subprocess.run(command, shell=True, cwd=elsewhere, capture_output=True, text=True, check=True)
    assert ended.stdout == "3 x y\n"
