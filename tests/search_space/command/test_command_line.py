from __future__ import annotations

import errno
import io
import math
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from h4h_start import StoppedError
from search_space.command.command_line import OutOfBoundsError, Parser, check_least, run_command
from search_space.errors import H4HError, H4HWarning


def test_bounds_themselves_and_what_is_not_given_pass() -> None:
    check_least(Namespace(val_images=None, seed=0, workers=1), val_images=1, seed=0, workers=1)


@pytest.mark.parametrize("value", [0, -3, math.nan])
def test_the_first_one_below_is_named(value: float) -> None:
    options = Namespace(seed=0, val_images=value, workers=-1)
    with pytest.raises(OutOfBoundsError, match=f"^--val-images must be at least 1, but got {value}$"):
        check_least(options, seed=0, val_images=1, workers=1)


def test_warnings_of_the_project_are_one_line_and_stop_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        warnings.warn("chip.yaml:\n  an old key", H4HWarning, stacklevel=1)
        print("done")

    shown = warnings.showwarning
    with pytest.raises(SystemExit) as left:
        run_command(command)
    printed = capsys.readouterr()
    assert (left.value.code, printed.out, printed.err) == (0, "done\n", "warning: chip.yaml: an old key\n")
    assert warnings.showwarning is shown


def test_numbers_beyond_all_reason_are_refused() -> None:
    check_least(Namespace(epochs=10**9, split_seed=2**63 - 1), epochs=1, split_seed=0)
    with pytest.raises(OutOfBoundsError, match=r"^--epochs must be at most 1000000000, but got 1000000001$"):
        check_least(Namespace(epochs=10**9 + 1), epochs=1)
    with pytest.raises(OutOfBoundsError, match="--seed must be at most"):
        check_least(Namespace(seed=2**63), seed=0)


def fail_with(error: BaseException) -> Callable[[], None]:
    """A command that raises."""

    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (H4HError("no\nsuch"), 2, "error: no such\n"),
        (ZeroDivisionError("by\nzero"), 2, "error: unexpected ZeroDivisionError: by zero: "),
        (MemoryError(), 2, "error: not enough memory: "),
        (RecursionError("deep"), 2, "error: some input is nested too deep"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.txt"), 2, "error: a.txt: No such file: check"),
        (OSError(errno.ENOSPC, "No space left"), 2, "error: output cannot be written (No space left): free"),
        (KeyboardInterrupt(), 130, ""),
        (StoppedError(signal.SIGTERM), 143, "stopped by SIGTERM\n"),
        (StoppedError(signal.SIGHUP), 129, "stopped by SIGHUP\n"),
    ],
)
def test_every_exception_ends_in_one_line(
    error: BaseException,
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout", sys.stdout)  # Some errors give it up.
    for debug in ("", "1"):
        monkeypatch.setenv("H4H_DEBUG", debug)
        with pytest.raises(SystemExit) as left:
            run_command(fail_with(error))
        printed = capsys.readouterr().err
        assert left.value.code == code
        last = printed.splitlines(keepends=True)[-1] if printed else ""
        assert last.startswith(line) or (debug and code == 130)
        assert ("Traceback" in printed) == (debug == "1")
        assert debug or printed == last


def test_a_number_of_many_digits_is_not_repeated_whole(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="command")
    parser.add_argument("--workers", type=int)
    with pytest.raises(SystemExit):
        parser.parse_args(["--workers", "9" * 5_000])
    message = capsys.readouterr().err
    assert message.startswith("error: argument --workers: invalid int value: '9999")
    assert "(5,002 characters)" in message
    assert len(message) < 200
    with pytest.raises(SystemExit):
        run_command(fail_with(H4HError(f"{'p' * 500} {'q' * 501}")))
    assert capsys.readouterr().err == f"error: {'p' * 500} {'q' * 40}... (501 characters)\n"


def test_a_terminal_that_is_gone_does_not_change_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        try:
            raise StoppedError(signal.SIGHUP)
        except KeyboardInterrupt:
            raise OSError(errno.EIO, "Input/output error") from None

    monkeypatch.setattr("sys.stdout", sys.stdout)
    with pytest.raises(SystemExit) as left:
        run_command(command)
    assert left.value.code == 129


def test_an_option_given_twice_is_refused_unless_it_may_be_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = Parser(prog="command")
    parser.add_argument("names", nargs="*")
    parser.add_argument_group("group").add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", action="append")
    for _ in range(2):  # One parser reads several command lines.
        read = parser.parse_args(["a", "b", "--seed", "3", "--limit", "x", "--limit", "y"])
        assert (read.names, read.seed, read.limit) == (["a", "b"], 3, ["x", "y"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--seed", "3", "--seed=4"])
    line = "error: --seed is given twice: leave out one of them (try: command --help)\n"
    assert capsys.readouterr().err == line


def test_a_positional_argument_given_as_an_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="command")
    parser.add_argument("names", nargs="+", metavar="STUDY")
    for words, line in (
        (["a", "--study", "b"], "STUDY is given without an option: leave out --study"),
        (["a", "--studio", "b"], "unrecognized arguments: --studio b"),
    ):
        with pytest.raises(SystemExit):
            parser.parse_args(words)
        assert capsys.readouterr().err == f"error: {line} (try: command --help)\n"


def test_an_empty_path_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = Parser(prog="command")
    parser.add_argument_group("group").add_argument("--out", type=Path)
    assert parser.parse_args(["--out", "."]).out == Path()
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", ""])
    message = "the value is empty: name a file or folder, or '.' for the current folder"
    assert capsys.readouterr().err == f"error: argument --out: {message} (try: command --help)\n"


def test_a_stream_without_a_character_shows_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    with pytest.raises(SystemExit) as left:
        run_command(lambda: print("8/24 · τ 0.8"))
    assert left.value.code == 0
    ascii_only.seek(0)
    assert ascii_only.read() == "8/24 ? ? 0.8\n"
