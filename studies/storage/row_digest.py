"""Digests of stored rows, and the checksum over all rows of a study.

Each row carries a digest of its columns. A second table keeps, for each study, the number of rows and the sum
of their digests. A changed row disagrees with its digest. A missing, foreign or doubled row disagrees with
the sum. The sum does not depend on the order of storing, so an interrupted study has the same digests as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import itemgetter

SIZE = 16
"""Bytes of a digest and of a sum."""
_MODULUS = 1 << (8 * SIZE)

Row = tuple[object, ...]
"""Columns of a stored row, as SQLite returns them: integers, texts, floats and None."""


def digest(row: Row) -> bytes:
    """Digest of the columns of a row, their types included."""
    return digests([row])[0]


def digests(rows: Sequence[Row]) -> list[bytes]:
    """Digest of each row."""
    # `ascii` writes None, integers, floats and texts exactly, and equally in all versions of Python.
    return [blake2b(ascii(row).encode(), digest_size=SIZE).digest() for row in rows]


def plain_digests(rows: Sequence[Row]) -> list[bytes] | None:
    """The same as `digests`, in half the time, for rows of one form; None if some text is not plain.

    A number that became a text of the same characters, or the reverse, has the same digest here. Readers of
    rows refuse such a value by its type.
    """
    if not rows:
        return []
    template = f"({', '.join(_QUOTED if isinstance(value, str) else '%s' for value in rows[0])})"
    if len(rows[0]) < 2:  # `ascii` writes a comma after a single value.
        return None
    try:
        lines = "\n".join(map(template.__mod__, rows)).encode("ascii")
    except (TypeError, UnicodeEncodeError):
        return None
    quotes = 2 * template.count(_QUOTED) * len(rows)
    # `ascii` writes quotes, backslashes and control characters in texts in another way.
    if lines.count(b"'") != quotes or len(lines.translate(None, _ESCAPED)) != len(lines):
        return None
    empty, own = blake2b(digest_size=SIZE), []
    for line in lines.split(b"\n"):
        state = empty.copy()
        state.update(line)
        own.append(state.digest())
    return own if len(own) == len(rows) else None


_QUOTED = "'%s'"
_ESCAPED = b"\\\x7f" + bytes(set(range(32)) - set(b"\n"))
"""Characters that `ascii` escapes, but for the one that separates rows."""


@dataclass(frozen=True)
class Checksum:
    """Number of rows and sum of their digests.

    Attributes:
        count: Number of rows.
        total: Sum of their digests modulo 2^128.
    """

    count: int = 0
    total: bytes = bytes(SIZE)

    def with_rows(self, digests: Sequence[bytes]) -> Checksum:
        """The checksum after more rows, given by their digests."""
        added = sum(map(int.from_bytes, digests))  # The first byte is the most significant one.
        total = (int.from_bytes(self.total, "big") + added) % _MODULUS
        return Checksum(self.count + len(digests), total.to_bytes(SIZE, "big"))


_CONTENT, _DIGEST = itemgetter(slice(-1)), itemgetter(-1)
"""The columns of a row, and the digest behind them."""


class DigestError(ValueError):
    """Rows that are not what was stored."""


def checked(
    rows: Sequence[Row], expected: Checksum, *, label: str, number: Callable[[Row], object]
) -> list[Row]:
    """The rows without their digests, once every digest and the checksum agree.

    Args:
        rows: Columns of each row; the digest comes last.
        expected: The stored checksum over these rows.
        label: Noun and owner of the rows, for messages.
        number: The number of a row, for messages.

    Raises:
        DigestError: A row was changed, or rows are missing or foreign.
    """
    contents: list[Row] = list(map(_CONTENT, rows))
    stored = list(map(_DIGEST, rows))
    own = plain_digests(contents)
    if own != stored:
        own = digests(contents)
    if own != stored:
        changed = next(row for row, each in zip(rows, own, strict=True) if each != row[-1])
        raise DigestError(f"{label}: row {number(changed)!r} is not what was stored")
    if len(rows) != expected.count:
        raise DigestError(f"{label}: {expected.count} rows were stored, but {len(rows)} are there")
    if Checksum().with_rows(own) != expected:
        raise DigestError(f"{label}: the rows disagree with the checksum of the study")
    return contents
