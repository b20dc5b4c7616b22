"""Byte counts on the command line, such as ``4GB`` or ``512MiB``."""

from __future__ import annotations

import re

from search_space.errors import H4HError

UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SYNTAX = re.compile(r"(?P<number>\d+(\.\d+)?) ?(?P<unit>[A-Za-z]+)")


def parse_bytes(text: str, *, option: str) -> int:
    """Number of bytes that `text` denotes.

    Args:
        text: A number and a unit.
        option: Command-line option that gave `text`, for messages.

    Raises:
        H4HError: `text` is not a positive number followed by one of `UNITS`.
    """
    match = _SYNTAX.fullmatch(text.strip())
    if match is None or match["unit"] not in UNITS or float(match["number"]) == 0:
        raise H4HError(
            f"{option} must be a positive number and one of {', '.join(UNITS)}, such as 4GB, but got {text!r}"
        )
    return int(float(match["number"]) * UNITS[match["unit"]])


def bytes_text(count: float) -> str:
    """`count` in a decimal unit with three digits: ``4 GB``, ``12.3 MB``."""
    decimal = [(name, size) for name, size in UNITS.items() if not name.endswith("iB")]
    name, size = next((unit for unit in decimal if count < 999.5 * unit[1]), decimal[-1])
    return f"{count / size:.3g} {name}"
