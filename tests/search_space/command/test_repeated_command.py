"""The command of this process with some options changed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from search_space.command.command_line import Parser
from search_space.command.repeated_command import repeated_command


def repeated(words: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words of the repeated command with another --out, and without --subnet."""
    parser = Parser(prog="python -m tool")
    parser.add_argument("--out", type=Path)
    for name in ("--outer", "--rate", "--subnet"):
        parser.add_argument(name)
    parser.add_argument("--quick", action="store_true")
    monkeypatch.setattr("sys.argv", ["tool.py", *words])
    command = repeated_command(parser, {"--subnet": None, "--out": "/b"})
    _, dash, module, *rest = shlex.split(command)
    assert (dash, module) == ("-m", "tool")
    return rest


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--out /b"),
        (["--out", "a", "--rate", "1"], "--rate 1 --out /b"),
        (["--rate=1", "--out=a"], "--rate=1 --out /b"),
        (["--o", "a", "--rate", "1", "--quick"], "--rate 1 --quick --out /b"),
        (["--subnet", "max", "--out", "a", "my data"], "'my data' --out /b"),
        (["--sub=max", "--outer", "a"], "--outer a --out /b"),
    ],
)
def test_options_are_replaced_in_all_their_spellings(
    words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert repeated(words, monkeypatch) == shlex.split(expected)


def test_files_get_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    parser = Parser(prog="python -m tool")
    for name in ("--out", "--data"):
        parser.add_argument(name, type=Path)
    for name in ("--space", "--other"):
        parser.add_argument(name)
    words = ["--data", "a b", "--space", "mine.yaml", "--other=mine.yaml"]
    monkeypatch.setattr("sys.argv", ["tool.py", *words])
    rest = shlex.split(repeated_command(parser, {"--out": "new"}))[3:]
    own = str(tmp_path / "mine.yaml")
    data, new = str(tmp_path / "a b"), str(tmp_path / "new")
    assert rest == ["--data", data, "--space", own, f"--other={own}", "--out", new]
    monkeypatch.setattr("sys.argv", ["tool.py", "--space", "cifar32", "--other", "gone.yaml"])
    assert shlex.split(repeated_command(parser, {}))[3:] == ["--space", "cifar32", "--other", "gone.yaml"]
