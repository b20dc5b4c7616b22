"""The least value that a number among the options of a command may have."""

from __future__ import annotations

from argparse import Namespace

from search_space.errors import H4HError


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
