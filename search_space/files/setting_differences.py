"""What differs between two tables of settings."""

from __future__ import annotations

from collections.abc import Mapping


def differing(left: Mapping[str, object], right: Mapping[str, object]) -> list[str]:
    """Names with different values, or with one in a single mapping; those of `left` first."""
    return [name for name in dict.fromkeys([*left, *right]) if left.get(name) != right.get(name)]
