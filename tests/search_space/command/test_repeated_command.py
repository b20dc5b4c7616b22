"""The command of this process with some options changed."""

from __future__ import annotations

import pytest

from search_space.command.command_line import Parser
from search_space.command.repeated_command import repeated_command


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "tool --out b"),
        (["--out", "a", "--rate", "1"], "tool --rate 1 --out b"),
        (["--rate=1", "--out=a"], "tool --rate=1 --out b"),
        (["--o", "a", "--rate", "1", "--quick"], "tool --rate 1 --quick --out b"),
        (["--subnet", "max", "--out", "a", "my data"], "tool 'my data' --out b"),
        (["--sub=max", "--outer", "a"], "tool --outer a --out b"),
    ],
)
def test_options_are_replaced_in_all_their_spellings(
    words: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = Parser(prog="tool")
    for name in ("--out", "--outer", "--rate", "--subnet"):
        parser.add_argument(name)
    parser.add_argument("--quick", action="store_true")
    monkeypatch.setattr("sys.argv", ["tool.py", *words])
    assert repeated_command(parser, {"--subnet": None, "--out": "b"}) == expected
