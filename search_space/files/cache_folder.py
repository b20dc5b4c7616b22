"""Cache folder for tables and decoded images that take long to compute."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "H4H_CACHE"


def cache_folder() -> Path:
    """Folder that `H4H_CACHE` names, else the user's cache folder; it may not exist yet."""
    if folder := os.environ.get(VARIABLE):
        return Path(folder)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "h4h-nas"
