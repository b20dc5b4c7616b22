"""Errors for bad input: one base class for the whole project.

A message names the argument, the value got, the values allowed and the remedy. Commands print it as one line
on stderr and exit with 2 (see `command/command_line.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class H4HError(Exception):
    """Base of all errors that a user can cause and correct.

    Example:
        >>> from search_space import H4HError, load_space
        >>> try:
        ...     load_space("cifar33")
        ... except H4HError as error:
        ...     print(error)
        unknown space 'cifar33': must be one of cifar32, ...; did you mean 'cifar32'?
    """


def closest_hint(got: str, known: Iterable[str]) -> str:
    """End of a message that suggests the closest of `known`; empty if none is close.

    Names are compared in lower case, so that CNN finds cnn.
    """
    by_lower_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(got.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[close[0]]!r}?" if close else ""


class UnknownNameError(H4HError):
    """A name that is not among the known names.

    Args:
        kind: Noun for the message, e.g. ``"objective"``.
        got: Name that the user gave.
        known: Allowed names; the message suggests the closest.
    """

    def __init__(self, kind: str, got: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.got = got
        self.known = tuple(known)
        allowed = f"{', '.join(self.known)}{closest_hint(got, self.known)}"
        super().__init__(f"unknown {kind} {got!r}: must be one of {allowed}")


class DocumentError(H4HError):
    """A YAML document that is damaged, lacks a key, or has an unknown key or a value of the wrong type."""


class H4HWarning(UserWarning):
    """Input that works, but probably not as its author thinks; commands print it in one line."""
