"""Software of a study: versions of the libraries, and the CPU kernels, by which its values round.

A study may go on with other software only if its user accepts that. Each row then says which one measured it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

VERSION_OF = "version of "
"""Beginning of the keys of a fingerprint that hold the version of a library."""
TORCH = "torch"
"""Key of an accuracy's fingerprint for the version of torch."""
PROCESSOR = "processor"
"""Key of the instructions, or the GPU, whose kernels measure the accuracy."""

Software = Mapping[str, str]
"""Versions by library, and the kind of processor where values depend on it."""


def is_version(key: str) -> bool:
    """Whether this key of a fingerprint holds the version of a library."""
    return key.startswith(VERSION_OF) or key.rpartition(".")[2] == TORCH


def versions_in(fingerprint: Mapping[str, str]) -> dict[str, str]:
    """Versions by library in a fingerprint of a study or an objective.

    Example:
        >>> versions_in({"seed": "0", "version of numpy": "2.4.6", "acc.torch": "2.15.0"})
        {'numpy': '2.4.6', 'torch': '2.15.0'}
    """
    return {
        TORCH if key.rpartition(".")[2] == TORCH else key.removeprefix(VERSION_OF): value
        for key, value in fingerprint.items()
        if is_version(key)
    }


def changes(stored: Software, current: Software) -> list[str]:
    """What differs, e.g. ``numpy 2.4.5 -> 2.4.6``. What either does not say is no difference.

    Example:
        >>> changes({"numpy": "2.4.5", "torch": "2.15.0"}, {"numpy": "2.4.6", "processor": "AVX2"})
        ['numpy 2.4.5 -> 2.4.6']
    """
    return [
        f"{name} {value} -> {current[name]}"
        for name, value in stored.items()
        if name in current and current[name] != value
    ]


def fewest_changes(recorded: Sequence[Software], current: Software) -> list[str]:
    """What differs from the most similar recorded software; nothing if one of them agrees."""
    return min((changes(stored, current) for stored in recorded), key=len, default=[])
