"""How every command of the project ends: exit codes and one-line errors.

| outcome | exit code |
|---|---|
| done | 0 |
| bad input: one line on stderr, nothing written | 2 |
| Ctrl-C | 130 |
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NoReturn

from search_space.errors import H4HError


class Parser(ArgumentParser):
    """argparse whose error is one line that says where help is, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message} (try: {self.prog} --help)\n")


def run_command(command: Callable[[], None]) -> NoReturn:
    """Runs `command` and leaves the process with the project's exit codes."""
    try:
        command()
    except H4HError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of a pipe (`| head`) went away; that is its right. Python would complain once more
        # when it flushes stdout at exit.
        sys.stdout = None
        raise SystemExit(0) from None
    raise SystemExit(0)


class TooSmallError(H4HError):
    """An option below the least value that it may have."""


def check_least(options: Namespace, **least: int) -> None:
    """Checks options that are given; one that is None is not.

    Raises:
        TooSmallError: One is below its least value, or NaN.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise TooSmallError(f"--{name.replace('_', '-')} must be at least {bound}, but got {value}")
