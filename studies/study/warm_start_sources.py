"""Sources of a warm start: earlier studies whose networks join a first generation, and their stored form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.study.setting_field import SettingError

WARM_START = "warm start"
"""Key of a study's fingerprint for the names of the studies that it was warm-started from."""
CARRIED = "warm_start_subnets"
"""Key of a study's stored settings for the networks that its warm start took over."""


def stored_sources(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Sources among the stored settings of a study; earlier databases hold one text, or None."""
    stored = settings.get("warm_start") or ()
    return (stored,) if isinstance(stored, str) else tuple(stored)


def are_same_sources(stored: Sequence[str], given: Sequence[str]) -> bool:
    """Whether sources are the stored ones; their files may be relative to a folder on one side.

    Example:
        >>> are_same_sources(["old.db:a", "b"], ["/home/me/old.db:a", "b"])
        True
        >>> are_same_sources(["old.db:a"], ["/home/me/new.db:a"])
        False
    """
    return len(stored) == len(given) and all(map(_is_same, stored, given))


def _is_same(one: str, other: str) -> bool:
    shorter, longer = sorted((Path(one).parts, Path(other).parts), key=len)
    return longer[len(longer) - len(shorter) :] == shorter


def takes_all(settings: Mapping[str, Any]) -> bool:
    """Whether every measured network of the sources joined; earlier databases know fronts only."""
    return bool(settings.get("warm_start_all"))


def check_sources(sources: Sequence[str], *, takes_all: bool) -> None:
    """Checks sources without reading them.

    Raises:
        SettingError: One is named twice, or there is none to take all networks of.
    """
    for place, source in enumerate(sources):
        if source in sources[:place]:
            raise SettingError(f"--warm-start names study {source!r} twice: leave out one of them")
    if takes_all and not sources:
        raise SettingError("--all needs --warm-start, the study whose networks join the first generation")
