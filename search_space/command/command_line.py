"""Command lines: exit codes, one-line errors, and lower bounds of numeric options.

| outcome | exit code |
|---|---|
| success | 0 |
| bad input: one line on stderr, nothing written | 2 |
| Ctrl-C | 130 |
"""

from __future__ import annotations

import sys
import warnings
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NoReturn, TextIO

from search_space.errors import H4HError, H4HWarning


class Parser(ArgumentParser):
    """Argument parser that reports an error in one line, with a pointer to `--help`."""

    def error(self, message: str) -> NoReturn:
        """Prints the error in one line and exits with 2."""
        self.exit(2, f"error: {message} (try: {self.prog} --help)\n")


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs `command` and exits the process with the project's exit codes."""
    warnings.showwarning = _show_warning
    try:
        command()
    except H4HError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has closed it, which is no error. Without this line Python
        # would print another error when it flushes stdout at exit.
        sys.stdout = None
        raise SystemExit(0) from None
    raise SystemExit(0)


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


class TooSmallError(H4HError):
    """The value of an option is below its lower bound."""


def check_least(options: Namespace, **least: int) -> None:
    """Checks options against their lower bounds; options that are None are skipped.

    Args:
        options: Parsed options.
        least: Lower bound of each option, by name.

    Raises:
        TooSmallError: A value is below its bound, or NaN.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise TooSmallError(f"--{name.replace('_', '-')} must be at least {bound}, but got {value}")
