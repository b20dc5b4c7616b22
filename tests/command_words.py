"""Words of command lines in tests."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def replaced(words: Sequence[str], options: Sequence[str]) -> list[str]:
    """`words` with `options` instead of those that both have, since an option may be given once."""
    result: list[str] = []
    is_left_out = False
    for word in words:
        is_left_out = word in options if word.startswith("--") else is_left_out
        if not is_left_out:
            result.append(word)
    return [*result, *options]


def printed(line: str) -> list[str]:
    """Module and words of a command in a printed line, which begins with its title."""
    return shlex.split(line.partition("python -m ")[2])
