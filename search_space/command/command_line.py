"""Command lines: exit codes, one-line errors, and bounds of numeric options.

| outcome | exit code |
|---|---|
| success | 0 |
| any error: one line on stderr, and its trace with `H4H_DEBUG=1` | 2 |
| stopped by Ctrl-C, SIGTERM, SIGHUP | 130, 143, 129 |
"""

from __future__ import annotations

import errno
import re
import sys
import traceback
import warnings
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _StoreAction
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TextIO

from h4h_start import DEBUG, StoppedError, exit_code, is_debugging
from search_space.command.stop_signals import stopping
from search_space.errors import H4HError, H4HWarning


class _StoreOnce(_StoreAction):
    """Stores the value of an option, and refuses a second one, which would silently replace the first."""

    _filled: Namespace | None = None

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        if self.option_strings and self._filled is namespace:
            parser.error(f"{self.option_strings[0]} is given twice: leave out one of them")
        self._filled = namespace
        super().__call__(parser, namespace, values, option_string)


def _path(text: str) -> Path:
    """A path; an empty one, such as a shell variable that is not set, would be the current folder."""
    if not text:
        raise ArgumentTypeError("the value is empty: name a file or folder, or '.' for the current folder")
    return Path(text)


class Parser(ArgumentParser):
    """Argument parser that reports an error in one line, with a pointer to `--help`.

    An option that takes one value may be given once; one that may be repeated declares `append`. An empty
    path is refused.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)
        self.register("type", Path, _path)

    def error(self, message: str) -> NoReturn:
        """Prints the error in one line and exits with 2."""
        unknown = message.partition("unrecognized arguments: ")[2].split()
        for action in self._get_positional_actions():
            if (option := f"--{action.metavar or action.dest}".lower()) in unknown:
                message = f"{action.metavar or action.dest} is given without an option: leave out {option}"
        self.exit(2, f"error: {_shortened(message)} (try: {self.prog} --help)\n")


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs `command` and exits the process with the project's exit codes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # A terminal without a character shows another one.
    try:
        with stopping(), warnings.catch_warnings():
            warnings.showwarning = _show_warning
            command()
            if sys.stdout is not None:
                sys.stdout.flush()  # A full disk shows here at the latest.
    except Exception as error:
        code = _failed(error)
    except KeyboardInterrupt as error:
        if is_debugging():
            traceback.print_exception(error)
        if isinstance(error, StoppedError):
            with suppress(OSError, ValueError):
                print(error, file=sys.stderr, flush=True)
        code = exit_code(error)
    else:
        code = 0
    raise SystemExit(code) from None


def _failed(error: Exception) -> int:
    """Prints an error in one line; returns the exit code."""
    if isinstance(error, BrokenPipeError):
        # The reader of a pipe, such as `head`, has closed it, which is no error. Without this line Python
        # would print another error when it flushes stdout at exit.
        sys.stdout = None
        return 0
    if isinstance(error, OSError) and (stop := _stop_behind(error)) is not None:
        # The terminal that a stopped command wrote to is gone.
        sys.stdout = None
        return exit_code(stop)
    if is_debugging():
        traceback.print_exception(error)
    _print_error(_line(error))
    return 2


def _stop_behind(error: BaseException) -> KeyboardInterrupt | None:
    """The stop signal during whose handling an exception arose, if any."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt):
        seen = seen.__cause__ or seen.__context__
    return seen


MOST_CHARACTERS = 500
"""Longest word of a message that is printed whole, such as a path or a genotype."""


def _shortened(text: str) -> str:
    """A message whose very long words, such as a number of 5,000 digits, are cut."""

    def cut(word: re.Match[str]) -> str:
        return f"{word[0][:40]}... ({len(word[0]):,} characters)"

    return re.sub(rf"\S{{{MOST_CHARACTERS + 1},}}", cut, text)


def _line(error: Exception) -> str:
    """An error and its remedy in one line."""
    text = _shortened(" ".join(str(error).split()))
    match error:
        case H4HError():
            return text
        case MemoryError():
            return "not enough memory: lower --workers, --memory or the size of the input, and repeat"
        case RecursionError():
            return "some input is nested too deep: check the files that the command reads"
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO) and error.filename is None:
            sys.stdout = None  # What could not be written would fail again at exit.
            return f"output cannot be written ({error.strerror}): free disk space and repeat the command"
        case OSError() if error.strerror:
            where = "" if error.filename is None else f"{error.filename}: "
            return f"{where}{error.strerror}: check the path, its permissions and the free disk space"
    return (
        f"unexpected {type(error).__name__}{f': {text}' if text else ''}: this is a defect of the project or "
        f"of code of your own; repeat the command with {DEBUG}=1 for the trace"
    )


def _print_error(text: str) -> None:
    with suppress(OSError, ValueError):  # stderr may be closed, or on a full disk.
        print(f"error: {text}", file=sys.stderr, flush=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints a warning of the project in one line, and any other as Python does."""
    if issubclass(category, H4HWarning):
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr
        )


MOST = 10**9
"""Upper bound of numeric options, beyond what any command can reach."""
MOST_SEED = 2**63 - 1


class OutOfBoundsError(H4HError):
    """The value of an option is below its lower bound or above its upper one."""


def check_least(options: Namespace, **least: int) -> None:
    """Checks options against their lower bounds, and against `MOST`; options that are None are skipped.

    Args:
        options: Parsed options.
        least: Lower bound of each option, by name.

    Raises:
        OutOfBoundsError: A value is below its bound, too large, or NaN.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise OutOfBoundsError(f"--{name.replace('_', '-')} must be at least {bound}, but got {value}")
        most = MOST_SEED if name.endswith("seed") else MOST
        if value is not None and value > most:
            raise OutOfBoundsError(f"--{name.replace('_', '-')} must be at most {most}, but got {value}")
