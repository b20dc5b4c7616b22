"""Differences between two tables of settings."""

from __future__ import annotations

from collections.abc import Mapping


def differing(left: Mapping[str, object], right: Mapping[str, object]) -> list[str]:
    """Names whose values differ, or that only one mapping has; those of `left` first."""
    return [name for name in dict.fromkeys([*left, *right]) if left.get(name) != right.get(name)]
